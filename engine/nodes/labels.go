package nodes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/util/retry"

	"stargate.io/stargate/api/v1alpha1"
)

// maxLabels bounds what one call sets.
const maxLabels = 32

// labels sets labels of the Server, or, where a value is false, takes them away. Those of Stargate itself
// are not a script's.
func (h *Host) labels(ctx context.Context, server *v1alpha1.Server, wanted map[string]any) (any, error) {
	set, err := checkLabels(wanted)
	if err != nil {
		return nil, err
	}
	changed := false
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if changed {
			if server, err = h.read(ctx); err != nil {
				return err
			}
		}
		next := server.DeepCopy()
		for key, value := range set {
			if value == nil {
				delete(next.Labels, key)
				continue
			}
			if next.Labels == nil {
				next.Labels = map[string]string{}
			}
			next.Labels[key] = *value
		}
		if maps.Equal(next.Labels, server.Labels) {
			return nil
		}
		changed = true
		return h.clusters.Servers.Update(ctx, next)
	})
	if err != nil {
		return nil, fmt.Errorf("setting labels of Server %s: %w", h.server, err)
	}
	return map[string]any{"changed": changed}, nil
}

// checkKey tells whether a script may set the label.
func checkKey(key string) error {
	if domain, _, found := strings.Cut(key, "/"); found && (domain == "stargate.io" || strings.HasSuffix(domain, ".stargate.io")) {
		return fmt.Errorf("kube.labels: %s is Stargate's own, and not a script's to set", key)
	}
	if problems := validation.IsQualifiedName(key); len(problems) > 0 {
		return fmt.Errorf("kube.labels: %q is no label: %s", key, problems[0])
	}
	return nil
}

// checkLabels reads what a script asked for; a nil value is one that is taken away.
func checkLabels(wanted map[string]any) (map[string]*string, error) {
	if len(wanted) == 0 || len(wanted) > maxLabels {
		return nil, fmt.Errorf("kube.labels takes 1 to %d labels, got %d", maxLabels, len(wanted))
	}
	set := map[string]*string{}
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		if err := checkKey(key); err != nil {
			return nil, err
		}
		switch value := wanted[key].(type) {
		case string:
			if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
				return nil, fmt.Errorf("kube.labels: %s cannot be %q: %s", key, value, problems[0])
			}
			set[key] = &value
		case bool:
			if value {
				return nil, fmt.Errorf("kube.labels: %s takes a string, or false to take the label away", key)
			}
			set[key] = nil
		default:
			return nil, fmt.Errorf("kube.labels: %s takes a string, or false to take the label away", key)
		}
	}
	return set, nil
}
