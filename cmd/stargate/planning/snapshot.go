package planning

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/engine/profile"
)

const (
	// snapshotLimit bounds a snapshot as JSON; a hundred thousand servers fit.
	snapshotLimit = 512 << 20
	// snapshotYAMLLimit bounds one as YAML, which takes many times its size to read.
	snapshotYAMLLimit = 32 << 20
	// keptRuns of the past say how long repaves take.
	keptRuns = 2_000
	// keptOthers that ended: policies are replayed over them.
	keptOthers = 500
	// redaction stands in place of a document, with its digest.
	redaction = "redacted:sha256:"
)

// worthKeeping of Operations: those that have not ended, the latest repaves that succeeded, and the
// latest that failed, which policies count, and some of the others, over which policies are replayed.
func worthKeeping(operations []*v1alpha1.Operation) []*v1alpha1.Operation {
	var live, past, failed, other []*v1alpha1.Operation
	for _, op := range operations {
		switch {
		case !op.Status.Phase.Terminal():
			live = append(live, op)
		case op.Status.Phase == v1alpha1.OperationSucceeded && op.Spec.Operation == v1alpha1.ActionRepave:
			past = append(past, op)
		case op.Status.Phase == v1alpha1.OperationFailed:
			failed = append(failed, op)
		default:
			other = append(other, op)
		}
	}
	ended := func(op *v1alpha1.Operation) metav1.Time {
		if op.Status.CompletionTime == nil {
			return metav1.Time{}
		}
		return *op.Status.CompletionTime
	}
	for _, ends := range [][]*v1alpha1.Operation{past, failed, other} {
		slices.SortStableFunc(ends, func(a, b *v1alpha1.Operation) int {
			of, than := ended(b), ended(a)
			return of.Compare(than.Time)
		})
	}
	return slices.Concat(live, past[:min(len(past), keptRuns)], failed[:min(len(failed), keptRuns)], other[:min(len(other), keptOthers)])
}

// Redact takes out what a snapshot needs not to tell: documents of cloud-init, which may hold passwords
// and keys, and what hooks keep. Documents are kept where that is asked for.
func (w *World) Redact(documents bool) {
	for i, p := range w.Profiles {
		p = p.DeepCopy()
		if known, _, whole := documentsOf(&p.Spec); whole {
			p.Status.Hash = profile.Hash(&p.Spec, known)
		}
		for _, source := range []*v1alpha1.DataSource{p.Spec.UserData, p.Spec.NetworkData, p.Spec.MetaData} {
			if source != nil && source.Inline != "" && !documents {
				source.Inline = digestOf(source.Inline)
			}
		}
		w.Profiles[i] = p
	}
	for i, op := range w.Operations {
		op = op.DeepCopy()
		op.Status.Conditions, op.Status.Message = nil, ""
		for j := range op.Status.Hooks {
			run := &op.Status.Hooks[j]
			// That it ran says whether the Operation has its place.
			*run = v1alpha1.HookRun{Name: run.Name, When: run.When, Result: run.Result}
		}
		for j := range op.Status.Attempts {
			op.Status.Attempts[j].Error = ""
		}
		w.Operations[i] = op
	}
	w.eachMeta(func(meta *metav1.ObjectMeta) {
		meta.ManagedFields = nil
		delete(meta.Annotations, lastApplied)
	})
}

// lastApplied holds a copy of the object, documents included.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// eachMeta shows the metadata of every object.
func (w *World) eachMeta(see func(*metav1.ObjectMeta)) {
	for _, o := range w.Fleets {
		see(&o.ObjectMeta)
	}
	for _, o := range w.Datacenters {
		see(&o.ObjectMeta)
	}
	for _, o := range w.Profiles {
		see(&o.ObjectMeta)
	}
	for _, o := range w.Servers {
		see(&o.ObjectMeta)
	}
	for _, o := range w.Groups {
		see(&o.ObjectMeta)
	}
	for _, o := range w.Policies {
		see(&o.ObjectMeta)
	}
	for _, o := range w.Hooks {
		see(&o.ObjectMeta)
	}
	for _, o := range w.Operations {
		see(&o.ObjectMeta)
	}
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%s%s (%d bytes)", redaction, hex.EncodeToString(sum[:8]), len(text))
}

// redacted tells whether a document was taken out of a snapshot.
func redacted(text string) bool { return strings.HasPrefix(text, redaction) }

// Save writes a snapshot.
func (w *World) Save(out io.Writer, format string) error {
	if format == "" {
		format = render.JSON
	}
	return render.Structured(out, format, w)
}

// Load reads a snapshot.
func Load(in io.Reader) (*World, error) {
	text, err := io.ReadAll(io.LimitReader(in, snapshotLimit+1))
	if err != nil {
		return nil, fmt.Errorf("reading the snapshot: %w", err)
	}
	if len(text) > snapshotLimit {
		return nil, fmt.Errorf("reading the snapshot: it has more than %d MiB", snapshotLimit>>20)
	}
	if trimmed := bytes.TrimSpace(text); len(trimmed) == 0 || trimmed[0] != '{' {
		if len(text) > snapshotYAMLLimit {
			return nil, fmt.Errorf("reading the snapshot: it has more than %d MiB of YAML; write it as JSON", snapshotYAMLLimit>>20)
		}
		if text, err = yaml.YAMLToJSON(text); err != nil {
			return nil, fmt.Errorf("reading the snapshot: %w", err)
		}
	}
	w := &World{}
	if err := json.Unmarshal(text, w); err != nil {
		return nil, fmt.Errorf("reading the snapshot: %w", err)
	}
	if w.APIVersion != render.APIVersion || w.Kind != kindOfSnapshot {
		return nil, fmt.Errorf("reading the snapshot: it is %s %s, and not the %s %s that stargate snapshot writes",
			render.Or(w.APIVersion, "of no version"), render.Or(w.Kind, "of no kind"), render.APIVersion, kindOfSnapshot)
	}
	if err := w.check(); err != nil {
		return nil, fmt.Errorf("reading the snapshot: %w", err)
	}
	w.snapshot = true
	return w, nil
}

// check that no object is missing from its place: a null among them.
func (w *World) check() error {
	if slices.Contains(w.Fleets, nil) || slices.Contains(w.Datacenters, nil) || slices.Contains(w.Profiles, nil) || slices.Contains(w.Servers, nil) ||
		slices.Contains(w.Groups, nil) || slices.Contains(w.Policies, nil) || slices.Contains(w.Hooks, nil) || slices.Contains(w.Operations, nil) {
		return errors.New("it has a null where an object should be")
	}
	return nil
}

// restore puts the documents of the tree back into profiles of a snapshot that have the very same ones,
// so that only what differs shows as different.
func restore(profiles, of []*v1alpha1.ProvisioningProfile) []*v1alpha1.ProvisioningProfile {
	type key struct{ namespace, name string }
	said := map[key]*v1alpha1.ProvisioningProfile{}
	for _, p := range of {
		said[key{p.Namespace, p.Name}] = p
	}
	restored := make([]*v1alpha1.ProvisioningProfile, len(profiles))
	for i, p := range profiles {
		restored[i] = p
		other := said[key{p.Namespace, p.Name}]
		if other == nil {
			continue
		}
		next := p.DeepCopy()
		same := restoreOne(next.Spec.UserData, other.Spec.UserData)
		same = restoreOne(next.Spec.NetworkData, other.Spec.NetworkData) || same
		if restoreOne(next.Spec.MetaData, other.Spec.MetaData) || same {
			restored[i] = next
		}
	}
	return restored
}

func restoreOne(source, other *v1alpha1.DataSource) bool {
	if source == nil || other == nil || !redacted(source.Inline) || source.Inline != digestOf(other.Inline) {
		return false
	}
	source.Inline = other.Inline
	return true
}
