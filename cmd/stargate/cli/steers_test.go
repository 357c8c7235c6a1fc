package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"stargate.io/stargate/api/v1alpha1"
)

func TestParseUntil(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 5, 1, 21, 30, 0, 0, zone)
	for text, want := range map[string]string{
		"2h30m":                "2026-05-02T00:00:00+01:00",
		"22:00":                "2026-05-01T22:00:00+01:00",
		"21:00":                "2026-05-02T21:00:00+01:00",
		"2026-06-01 06:00":     "2026-06-01T06:00:00+01:00",
		"2026-06-01T06:00":     "2026-06-01T06:00:00+01:00",
		"2026-06-01":           "2026-06-01T00:00:00+01:00",
		"2026-06-01T06:00:00Z": "2026-06-01T06:00:00Z",
		"2026-04-01":           "error",
		"-2h":                  "error",
		"0s":                   "error",
		"tomorrow":             "error",
		"25:00":                "error",
	} {
		got := "error"
		if at, err := parseUntil(text, now); err == nil {
			got = at.Format(time.RFC3339)
		} else if codeOf(err) != exitUsage {
			t.Errorf("%s: code %d, want %d", text, codeOf(err), exitUsage)
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	if at, err := parseUntil("", now); at != nil || err != nil {
		t.Errorf("nothing: got %v, %v", at, err)
	}
}

// groupWith is a group whose status speaks of its spec.
func groupWith(ready metav1.ConditionStatus, change func(*v1alpha1.ServerGroup)) *v1alpha1.ServerGroup {
	group := &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Name: "web", Generation: 2, Annotations: map[string]string{}}}
	group.Status.ObservedGeneration = 2
	group.Status.Revision = v1alpha1.GroupRevision{Name: "3-abc", Number: 3, Made: 4, Apply: 7}
	group.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: ready, Reason: "R"}}
	if change != nil {
		change(group)
	}
	return group
}

func TestStateOf(t *testing.T) {
	hold := func(source, reason string, until *metav1.Time) v1alpha1.Hold {
		return v1alpha1.Hold{Source: source, Reason: reason, Until: until}
	}
	until := metav1.NewTime(midday)
	stalled := func(g *v1alpha1.ServerGroup, reason string) {
		g.Status.Conditions = append(g.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionStalled, Status: "True", Reason: reason})
	}
	for name, test := range map[string]struct {
		group *v1alpha1.ServerGroup
		want  rolloutState
	}{
		"nobody looked at it":    {&v1alpha1.ServerGroup{}, rolloutUnknown},
		"of an older generation": {groupWith("True", func(g *v1alpha1.ServerGroup) { g.Generation = 3 }), rolloutUnknown},
		"of an older commit": {groupWith("True", func(g *v1alpha1.ServerGroup) {
			g.Annotations[v1alpha1.AnnotationReleased] = "8 aaaa bbbb 3"
		}), rolloutUnknown},
		"up to date": {groupWith("True", func(g *v1alpha1.ServerGroup) {
			g.Annotations[v1alpha1.AnnotationReleased] = "7 aaaa bbbb 3"
		}), rolloutDone},
		"nothing holds it": {groupWith("False", nil), rolloutRunning},
		"a budget holds the next, one runs": {groupWith("False", func(g *v1alpha1.ServerGroup) {
			g.Status.Active, g.Status.Holds = 1, []v1alpha1.Hold{hold("ServerGroup/web", v1alpha1.ReasonLimitReached, nil)}
		}), rolloutRunning},
		"a soak": {groupWith("False", func(g *v1alpha1.ServerGroup) {
			g.Status.Holds = []v1alpha1.Hold{hold("Wave/canary", v1alpha1.ReasonSoaking, &until)}
		}), rolloutHeld},
		"paused until a time": {groupWith("False", func(g *v1alpha1.ServerGroup) {
			g.Status.Holds = []v1alpha1.Hold{hold("ServerGroup/web", v1alpha1.ReasonRolloutPaused, &until)}
		}), rolloutHeld},
		"paused": {groupWith("False", func(g *v1alpha1.ServerGroup) {
			g.Status.Holds = []v1alpha1.Hold{hold("ServerGroup/web", v1alpha1.ReasonRolloutPaused, nil)}
		}), rolloutAwaits},
		"paused, and what runs is seen out": {groupWith("False", func(g *v1alpha1.ServerGroup) {
			g.Status.InFlight = []v1alpha1.InFlightServer{{Server: "a"}}
			g.Status.Holds = []v1alpha1.Hold{hold("ServerGroup/web", v1alpha1.ReasonRolloutPaused, nil)}
		}), rolloutRunning},
		"the guard": {groupWith("False", func(g *v1alpha1.ServerGroup) {
			g.Status.Holds = []v1alpha1.Hold{hold("Guard", v1alpha1.ReasonApprovalRequired, nil)}
		}), rolloutAwaits},
		"the guard, approved just now": {groupWith("False", func(g *v1alpha1.ServerGroup) {
			g.Annotations[v1alpha1.AnnotationApprove] = "3-abc"
			g.Status.Holds = []v1alpha1.Hold{hold("Guard", v1alpha1.ReasonApprovalRequired, nil)}
		}), rolloutHeld},
		"the guard, approved before": {groupWith("False", func(g *v1alpha1.ServerGroup) {
			g.Annotations[v1alpha1.AnnotationApprove] = "3-abc"
			g.Status.Revision.ApprovedAt = &until
			g.Status.Holds = []v1alpha1.Hold{hold("Guard", v1alpha1.ReasonApprovalRequired, nil)}
		}), rolloutAwaits},
		"too many failed": {groupWith("False", func(g *v1alpha1.ServerGroup) { stalled(g, v1alpha1.ReasonTooManyFailures) }), rolloutStopped},
		"too many failed, one is seen out": {groupWith("False", func(g *v1alpha1.ServerGroup) {
			stalled(g, v1alpha1.ReasonTooManyFailures)
			g.Status.Active = 1
		}), rolloutRunning},
		"too many failed, forgiven just now": {groupWith("False", func(g *v1alpha1.ServerGroup) {
			g.Status.Revision.Failures = 1
			g.Annotations[v1alpha1.AnnotationResume] = "3-abc/1/+4"
			stalled(g, v1alpha1.ReasonTooManyFailures)
		}), rolloutRunning},
		"no profile": {groupWith("False", func(g *v1alpha1.ServerGroup) { stalled(g, v1alpha1.ReasonProfileNotFound) }), rolloutStopped},
	} {
		if got := stateOf(test.group); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

func TestCodeOfRollout(t *testing.T) {
	for _, test := range []struct {
		state  rolloutState
		failed int32
		want   int
	}{
		{rolloutDone, 0, exitFine}, {rolloutDone, 1, exitFailed}, {rolloutStopped, 0, exitFailed}, {rolloutAwaits, 0, exitHeld}, {rolloutRunning, 0, exitTimedOut},
	} {
		if got := codeOfRollout(test.state, test.failed); got != test.want {
			t.Errorf("%s with %d failed: got %d, want %d", test.state, test.failed, got, test.want)
		}
	}
}

// An estimate is told only where there is something to go by.
func TestEstimate(t *testing.T) {
	at := func(ago time.Duration) *metav1.Time { return &metav1.Time{Time: midday.Add(-ago)} }
	group := groupWith("False", func(g *v1alpha1.ServerGroup) {
		g.Spec.Rollout.Waves = []v1alpha1.Wave{{Name: "canary", Soak: &metav1.Duration{Duration: time.Hour}}, {Name: "all", Soak: &metav1.Duration{Duration: time.Minute}}}
		g.Status.Revision.Made = 4
		g.Status.Waves = []v1alpha1.WaveStatus{
			{Name: "canary", State: v1alpha1.WaveDone, Servers: 2, Updated: 2, StartedAt: at(2 * time.Hour), UpdatedAt: at(110 * time.Minute)},
			{Name: "all", State: v1alpha1.WaveRunning, Servers: 8, Updated: 2, StartedAt: at(10 * time.Minute)},
		}
	})
	// Four servers in twenty minutes: six more take thirty, and then the soak.
	if got := estimate(group, rolloutRunning, midday); !got.Equal(midday.Add(31 * time.Minute)) {
		t.Errorf("got %s", got)
	}
	if got := estimate(group, rolloutHeld, midday); !got.IsZero() {
		t.Errorf("held: got %s, want none", got)
	}
	group.Status.Waves = append(group.Status.Waves, v1alpha1.WaveStatus{Name: "late", State: v1alpha1.WaveWaiting, Servers: 3})
	group.Spec.Rollout.Waves = append(group.Spec.Rollout.Waves, v1alpha1.Wave{Name: "late", Approval: v1alpha1.ApprovalRequired})
	if got := estimate(group, rolloutRunning, midday); !got.IsZero() {
		t.Errorf("an approval is ahead: got %s, want none", got)
	}
	group.Status.Waves, group.Status.Revision.Made = group.Status.Waves[:2], 0
	if got := estimate(group, rolloutRunning, midday); !got.IsZero() {
		t.Errorf("nothing is done yet: got %s, want none", got)
	}
}

func TestWavesOf(t *testing.T) {
	server := func(name string, labels map[string]string) *v1alpha1.Server {
		return &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	}
	half := intstr.FromString("50%")
	one := intstr.FromInt32(1)
	group := &v1alpha1.ServerGroup{}
	group.Spec.Rollout.Waves = []v1alpha1.Wave{
		{Name: "canary", Selector: &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"canary": "true"}}},
		{Name: "one", Size: &one}, {Name: "half", Size: &half},
	}
	members := []*v1alpha1.Server{server("e", nil), server("d", map[string]string{"canary": "true"}), server("c", nil), server("b", nil), server("a", nil)}
	var got []string
	for _, wave := range wavesOf(group, members) {
		var names []string
		for _, each := range wave.servers {
			names = append(names, each.Name)
		}
		got = append(got, wave.name+"="+strings.Join(names, "+"))
	}
	if text := strings.Join(got, " "); text != "canary=d one=a half=b+c rest=e" {
		t.Errorf("got %s", text)
	}
	group.Spec.Rollout.Order = v1alpha1.OrderShuffled
	if dealt(group) {
		t.Error("which servers a shuffled wave takes is not for this command to say")
	}
}

// A painted line that is cut is no wider than the screen, and leaves no colour behind.
func TestCutPainted(t *testing.T) {
	line := "\x1b[33mHELD\x1b[0m  by a \x1b[31mvery long reason\x1b[0m"
	for width := 1; width < 40; width++ {
		cut := cutPainted(line, width)
		if got := runewidth.StringWidth(paint.ReplaceAllString(cut, "")); got > width {
			t.Errorf("%d: %q is %d wide", width, cut, got)
		}
		if strings.LastIndex(cut, "\x1b[0m") < strings.LastIndex(cut, "\x1b[3") {
			t.Errorf("%d: %q leaves its colour on", width, cut)
		}
	}
	if got := cutPainted(line, 100); got != line {
		t.Errorf("got %q for what fits", got)
	}
}

// Only what the repository gives is said to be put back by it.
func TestSaidByFleet(t *testing.T) {
	group := &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{
		{Manager: "stargate-cli", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:rollout":{"f:reason":{}}}}`)},
		{Manager: fleetManager, FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:rollout":{"f:paused":{}}}}`)},
	}}}
	if !saidByFleet(group, "f:spec", "f:rollout", "f:paused") || saidByFleet(group, "f:spec", "f:rollout", "f:reason") {
		t.Error("the repository gives paused, and no reason")
	}
}

func TestOutcomeOf(t *testing.T) {
	fleet := func(reason string, change func(*v1alpha1.Fleet)) *v1alpha1.Fleet {
		f := &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: "prod", Generation: 1}}
		f.Status = v1alpha1.FleetStatus{ObservedGeneration: 1, LastHandledRequestedAt: "now", LastAttemptedRevision: "main@sha1:a", LastAppliedRevision: "main@sha1:a",
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: "False", Reason: reason}}}
		if change != nil {
			change(f)
		}
		return f
	}
	for name, test := range map[string]struct {
		fleet *v1alpha1.Fleet
		code  int
		ended bool
	}{
		"not handled yet": {fleet("Applied", func(f *v1alpha1.Fleet) { f.Status.LastHandledRequestedAt = "before" }), exitTimedOut, false},
		"being applied":   {fleet("Applying", func(f *v1alpha1.Fleet) { f.Status.Applying = &v1alpha1.ApplyingRevision{} }), exitTimedOut, false},
		"applied, rolls":  {fleet("RollingOut", nil), exitFine, true},
		"held":            {fleet("ApprovalRequired", func(f *v1alpha1.Fleet) { f.Status.Pending = &v1alpha1.PendingRevision{Commit: "b"} }), exitHeld, true},
		"approved just now": {fleet("ApprovalRequired", func(f *v1alpha1.Fleet) {
			f.Annotations = map[string]string{v1alpha1.AnnotationApprove: "b"}
			f.Status.Pending = &v1alpha1.PendingRevision{Commit: "b"}
		}), exitHeld, false},
		"refused":       {fleet("CommitInvalid", func(f *v1alpha1.Fleet) { f.Status.LastAttemptedRevision = "main@sha1:b" }), exitFailed, true},
		"no connection": {fleet("FetchFailed", nil), exitFailed, true},
		"another spec":  {fleet("Applied", func(f *v1alpha1.Fleet) { f.Generation = 2 }), exitTimedOut, false},
	} {
		if code, ended := outcomeOf(test.fleet, "now"); ended != test.ended || (ended && code != test.code) {
			t.Errorf("%s: got %d, %t, want %d, %t", name, code, ended, test.code, test.ended)
		}
	}
}
