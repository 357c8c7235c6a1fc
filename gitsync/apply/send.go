package apply

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree"
)

const (
	// longestPause before the next attempt.
	longestPause = 5 * time.Second
	// mostConflicts over one object.
	mostConflicts = 3
)

// send one object: one request where nothing goes wrong.
func (a *Applier) send(ctx context.Context, fleet string, c *Change, stamp Stamp) []Problem {
	if c.Deleting {
		return []Problem{beingDeleted(c)}
	}
	body, err := body(fleet, c, stamp)
	if err != nil {
		return problemsOf(c.Key, c.Place, fmt.Errorf("writing the object: %w", err))
	}
	err = a.repeat(ctx, func(ctx context.Context) error {
		// Only metadata is read back: what the rest became is in the caches soon enough.
		return a.Client.Patch(ctx, metadataOf(c.Key), client.RawPatch(types.ApplyPatchType, body),
			client.FieldOwner(FieldOwner), client.ForceOwnership)
	})
	if err != nil {
		return problemsOf(c.Key, c.Place, err)
	}
	return nil
}

// body of the request: the content with its stamps. The UID of what is changed goes with it, so that an
// object made anew under the name by another is not taken for it.
func body(fleet string, c *Change, stamp Stamp) ([]byte, error) {
	content := maps.Clone(sent(c.source))
	given, _ := content["metadata"].(map[string]any)
	meta := maps.Clone(given)
	if meta == nil {
		meta = map[string]any{}
	}
	labels, annotations := texts(meta["labels"]), texts(meta["annotations"])
	for _, key := range c.stamps {
		annotations[key] = ""
	}
	if c.Kind.Kind == "Server" && len(labels) > 0 {
		annotations[v1alpha1.AnnotationLabels] = inWords(labels)
	}
	labels[v1alpha1.LabelFleet] = fleet
	meta["labels"] = labels
	maps.Copy(annotations, stamp.annotations(c.Key, c.Place))
	annotations[AnnotationDigest] = c.digest + "-" + stampDigest(annotations)
	meta["annotations"] = annotations
	if c.uid != "" {
		meta["uid"] = c.uid
	}
	content["metadata"] = meta
	return json.Marshal(content)
}

// annotations that the stamp puts onto an object.
func (s Stamp) annotations(key tree.Key, place tree.Place) map[string]string {
	all := map[string]string{
		v1alpha1.AnnotationApply:  strconv.FormatInt(s.Number, 10),
		v1alpha1.AnnotationSource: tree.Place{File: place.File, Line: place.Line}.String(),
	}
	for name, value := range map[string]string{
		v1alpha1.AnnotationCommit:   s.Commit,
		v1alpha1.AnnotationAuthor:   s.Author,
		v1alpha1.AnnotationSignedBy: s.SignedBy,
		v1alpha1.AnnotationReleased: s.Released[key],
	} {
		if value != "" {
			all[name] = value
		}
	}
	return all
}

// inWords gives labels in the form of the annotation that remembers them.
func inWords(labels map[string]string) string {
	words := make([]string, 0, len(labels))
	for key, value := range labels {
		words = append(words, key+"="+value)
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}

func texts(values any) map[string]string {
	given, _ := values.(map[string]any)
	all := make(map[string]string, len(given)+8)
	for key, value := range given {
		all[key] = fmt.Sprint(value)
	}
	return all
}

// metadataOf names an object to the client.
func metadataOf(key tree.Key) *metav1.PartialObjectMetadata {
	o := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	o.SetGroupVersionKind(versioned(key.Kind))
	return o
}

func versioned(kind schema.GroupKind) schema.GroupVersionKind {
	if kind.Group == v1alpha1.GroupVersion.Group {
		return kind.WithVersion(v1alpha1.GroupVersion.Version)
	}
	return kind.WithVersion("v1")
}

// repeat a request while it fails for a passing reason.
func (a *Applier) repeat(ctx context.Context, request func(context.Context) error) error {
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval, policy.Multiplier = cmp.Or(a.Pause, defaultPause), longestPause, 2
	var last error
	conflicts := 0
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		if last = a.once(ctx, request); last == nil {
			return struct{}{}, nil
		}
		again, after := passing(last)
		switch {
		case errors.Is(last, context.DeadlineExceeded):
			again = ctx.Err() == nil // only this attempt took too long
		case apierrors.IsConflict(last):
			// Not by what the plan was made of: it must be made anew.
			conflicts++
			again = conflicts < mostConflicts
		}
		switch {
		case !again:
			return struct{}{}, backoff.Permanent(last)
		case after > 0:
			return struct{}{}, backoff.RetryAfter(after)
		}
		return struct{}{}, last
	}, backoff.WithBackOff(policy), backoff.WithMaxTries(a.attempts()), backoff.WithMaxElapsedTime(0))
	if err != nil && last != nil {
		return last // what was said, not that there were too many attempts
	}
	return err
}

// once is one attempt, with a time limit of its own.
func (a *Applier) once(ctx context.Context, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(a.Timeout, defaultTimeout))
	defer cancel()
	return request(ctx)
}
