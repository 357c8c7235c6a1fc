package fleet

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

const (
	messageLimit = 1024
	mostErrors   = 64
	mostHistory  = 10
)

// draft is a status that is being written.
type draft struct {
	s      *Snapshot
	status *v1alpha1.FleetStatus
	step   string
	events []Event
}

func newDraft(s *Snapshot, step string) *draft {
	return &draft{s: s, step: step, status: s.Fleet.Status.DeepCopy()}
}

// verdict is what the conditions say.
type verdict struct {
	reason, message             string
	ready, reconciling, stalled bool
}

// say sets the conditions.
func (d *draft) say(v verdict) {
	d.observe()
	d.condition(v1alpha1.ConditionReconciling, v.reconciling, v)
	d.condition(v1alpha1.ConditionStalled, v.stalled, v)
	value := metav1.ConditionFalse
	if v.ready {
		value = metav1.ConditionTrue
	}
	d.set(v1alpha1.ConditionReady, value, v.reason, v.message)
}

// condition of the kind that is there only while it is true.
func (d *draft) condition(kind string, is bool, v verdict) {
	if !is {
		meta.RemoveStatusCondition(&d.status.Conditions, kind)
		return
	}
	d.set(kind, metav1.ConditionTrue, v.reason, v.message)
}

func (d *draft) set(kind string, value metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&d.status.Conditions, metav1.Condition{Type: kind, Status: value, Reason: reason, Message: bounded(message),
		ObservedGeneration: d.status.ObservedGeneration, LastTransitionTime: metav1.NewTime(d.s.Now)})
}

// observe marks what the last look was for as seen.
func (d *draft) observe() {
	seen := d.s.Known.LookedFor
	if IsSuspended(d.s.Fleet, d.s.Now) {
		seen = Wish{Generation: d.s.Fleet.Generation, RequestedAt: d.status.LastHandledRequestedAt}
	}
	if seen.Generation != 0 {
		d.status.ObservedGeneration = seen.Generation
		d.status.LastHandledRequestedAt = seen.RequestedAt
	}
	for i := range d.status.Conditions {
		d.status.Conditions[i].ObservedGeneration = d.status.ObservedGeneration
	}
}

func (d *draft) tell(warning bool, reason, message string) {
	d.events = append(d.events, Event{Warning: warning, Reason: reason, Message: bounded(message)})
}

// tellChange tells of a reason that Ready did not have before.
func (d *draft) tellChange(warning bool, reason, message string) {
	before := meta.FindStatusCondition(d.s.Fleet.Status.Conditions, v1alpha1.ConditionReady)
	if before == nil || before.Reason != reason {
		d.tell(warning, reason, message)
	}
}

// hold sets what the fleet waits for; since when is kept.
func (d *draft) hold(holds ...v1alpha1.Hold) {
	d.status.Holds = nil
	for _, hold := range holds {
		hold.Message, hold.Since = bounded(hold.Message), metav1.NewTime(d.s.Now)
		for _, before := range d.s.Fleet.Status.Holds {
			if before.Source == hold.Source && before.Reason == hold.Reason && before.Rule == hold.Rule {
				hold.Since = before.Since
			}
		}
		d.status.Holds = append(d.status.Holds, hold)
	}
}

func (d *draft) errors(errors []v1alpha1.SourceError) {
	d.status.Errors = nil
	for _, each := range errors[:min(len(errors), mostErrors)] {
		each.Message = bounded(each.Message)
		d.status.Errors = append(d.status.Errors, each)
	}
}

// record what became of a revision. A line that says less of the same revision is replaced; one of
// another that never came in was superseded.
func (d *draft) record(line v1alpha1.FleetRecord) {
	history := d.status.History
	line.Message, line.At = bounded(line.Message), metav1.NewTime(d.s.Now)
	if len(history) > 0 && history[0].Revision == line.Revision && history[0].Result != v1alpha1.FleetApplied {
		if history[0].Result == line.Result && line.Result != v1alpha1.FleetApplied {
			line.At = history[0].At
		}
		history[0] = line
		return
	}
	if d.s.Known.Head == nil || d.s.Known.Head.Revision == line.Revision {
		d.supersede(line.Revision)
	}
	d.status.History = slices.Insert(history, 0, line)[:min(len(history)+1, mostHistory)]
}

// told tells whether history says that of a revision already: first, or behind the commit that was made
// whole since.
func (d *draft) told(revision string, result v1alpha1.FleetResult) bool {
	return slices.ContainsFunc(d.status.History[:min(len(d.status.History), 2)], func(line v1alpha1.FleetRecord) bool {
		return line.Revision == revision && line.Result == result
	})
}

// supersede what waited or failed, since the ref points elsewhere.
func (d *draft) supersede(by string) {
	if len(d.status.History) == 0 {
		return
	}
	line := &d.status.History[0]
	if line.Revision != by && (line.Result == v1alpha1.FleetPending || line.Result == v1alpha1.FleetFailed) {
		line.Result, line.Message = v1alpha1.FleetSuperseded, Short(by)+" came before it was applied"
	}
}

// write gives the effect; nil where the status says so already.
func (d *draft) write() *WriteStatus {
	if d.step == "" || equality.Semantic.DeepEqual(trimmed(&d.s.Fleet.Status), trimmed(d.status)) {
		return nil
	}
	return &WriteStatus{Step: d.step, Status: *d.status, Events: d.events}
}

// trimmed is a status as the API server keeps it: without parts of a second.
func trimmed(status *v1alpha1.FleetStatus) *v1alpha1.FleetStatus {
	status = status.DeepCopy()
	times := []*metav1.Time{status.LastAppliedAt}
	if status.Applying != nil {
		times = append(times, &status.Applying.Since)
	}
	if status.Pending != nil {
		times = append(times, &status.Pending.Since)
	}
	for i := range status.Holds {
		times = append(times, &status.Holds[i].Since, status.Holds[i].Until)
	}
	for i := range status.History {
		times = append(times, &status.History[i].At)
	}
	for i := range status.Conditions {
		times = append(times, &status.Conditions[i].LastTransitionTime)
	}
	for _, each := range times {
		if each != nil && !each.IsZero() {
			*each = metav1.NewTime(each.UTC().Truncate(time.Second))
		}
	}
	return status
}

// bounded cuts text from outside to a length that status can carry.
func bounded(text string) string {
	if len(text) <= messageLimit {
		return text
	}
	cut := messageLimit
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// Short is a revision with the first seven digits of its commit.
func Short(revision string) string {
	if before, hash, ok := cutLast(revision, ":"); ok && len(hash) > 7 {
		return before + ":" + hash[:7]
	}
	return revision
}

// stays tells which commit is applied whatever happens to the new one.
func stays(status *v1alpha1.FleetStatus) string {
	if status.LastAppliedRevision == "" {
		return "nothing was applied yet"
	}
	return Short(status.LastAppliedRevision) + " stays applied"
}

// counted gives "1 server" or "3 servers".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// some names the first of many.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + " and " + strconv.Itoa(len(names)-most) + " more"
}
