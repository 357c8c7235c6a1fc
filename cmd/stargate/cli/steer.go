package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/cmd/stargate/render"
)

const (
	// reasonLimit is what the API takes for a reason.
	reasonLimit = 256
	// conflictTries to write onto what was read: whoever writes all the time is no person.
	conflictTries = 10
)

// bindReason adds --reason, which every command that steers needs: whoever finds a fleet held at
// night must find out why without asking around.
func bindReason(command *cobra.Command, reason *string) {
	command.Flags().StringVar(reason, "reason", "", "Why, kept with the object (needed)")
}

func checkReason(reason string) error {
	switch {
	case render.Clean(reason) == "":
		return usagef("--reason is needed: it is kept, for whoever asks why")
	case len(reason) > reasonLimit:
		return usagef("--reason: at most %d bytes, got %d", reasonLimit, len(reason))
	}
	return nil
}

// fields is a part of an object, as JSON has it; a nil value removes a field.
type fields = map[string]any

// steer reads an object, lets decide say what to change, and writes that; a nil change leaves it
// alone. The patch names the UID, so that it never meets another object that took the name since.
func (c *cluster) steer(ctx context.Context, k kind, name string, decide func(client.Object) (fields, error)) (client.Object, error) {
	return c.steerOnce(ctx, k, name, false, decide)
}

// steerExactly writes only onto what decide was shown: where the object changed meanwhile it is read
// and decided on anew.
func (c *cluster) steerExactly(ctx context.Context, k kind, name string, decide func(client.Object) (fields, error)) (client.Object, error) {
	for try := 1; ; try++ {
		object, err := c.steerOnce(ctx, k, name, true, decide)
		if !apierrors.IsConflict(err) || try == conflictTries {
			return object, err
		}
	}
}

func (c *cluster) steerOnce(ctx context.Context, k kind, name string, exactly bool, decide func(client.Object) (fields, error)) (client.Object, error) {
	object, err := c.read(ctx, k, name)
	if err != nil {
		return nil, err
	}
	change, err := decide(object)
	if err != nil || change == nil {
		return object, err
	}
	metadata, ok := change["metadata"].(fields)
	if !ok {
		metadata = fields{}
	}
	metadata["uid"] = string(object.GetUID())
	if exactly {
		metadata["resourceVersion"] = object.GetResourceVersion()
	}
	change["metadata"] = metadata
	data, err := json.Marshal(change)
	if err != nil {
		return nil, fmt.Errorf("writing a patch: %w", err)
	}
	if err := c.Patch(ctx, object, client.RawPatch(types.MergePatchType, data), client.FieldOwner(fieldManager)); err != nil {
		return nil, fmt.Errorf("changing %s %s: %w", k.title, name, err)
	}
	return object, nil
}

// steered prints what was done to an object.
func (a *App) steered(output string, k kind, object client.Object, done string) error {
	switch {
	case structured(output):
		return a.printObjects(output, k, true, object)
	case output == render.Name:
		a.say("%s", k.fullName(object.GetName()))
	default:
		a.say("%s %s", k.fullName(object.GetName()), done)
	}
	return nil
}
