package forecast_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/plan/forecast"
)

func waves(t forecast.Timeline) string {
	text := ""
	for _, g := range t.Groups {
		for _, w := range g.Waves {
			text += fmt.Sprintf("%s:%d %s-%s ", w.Name, len(w.Servers), w.Start.Format("15:04"), w.Done.Format("15:04"))
		}
	}
	return strings.TrimSpace(text)
}

func run(t *testing.T, in forecast.Input) forecast.Timeline {
	t.Helper()
	return forecast.Forecast(in)
}

func TestWavesOneAfterTheOther(t *testing.T) {
	size := func(n int) forecast.Input {
		return site(10, 10, v1alpha1.Rollout{MaxUnavailable: most(n), Waves: []v1alpha1.Wave{
			{Name: "canary", Size: most(2), Soak: &metav1.Duration{Duration: 30 * time.Minute}}, {Name: "r1", Size: most(4)}}})
	}
	for n, want := range map[int]string{
		2: "canary:2 10:00-10:20 r1:4 10:50-11:30 rest:4 11:30-12:10",
		4: "canary:2 10:00-10:20 r1:4 10:50-11:10 rest:4 11:10-11:30",
	} {
		got := run(t, size(n))
		if waves(got) != want || !got.Complete {
			t.Errorf("%d at once: got %s, want %s", n, waves(got), want)
		}
		if got.Worst.Up != 10-n || got.Worst.Floor != 10-n || got.Worst.Of != 10 {
			t.Errorf("%d at once: worst moment %+v", n, got.Worst)
		}
	}
}

func TestApprovalsAreAssumedAndTold(t *testing.T) {
	in := site(10, 10, v1alpha1.Rollout{MaxUnavailable: most(5), Waves: []v1alpha1.Wave{{Name: "canary", Size: most(5), Approval: v1alpha1.ApprovalRequired}}})
	got := run(t, in)
	if !got.Complete || !slices.Equal(got.Groups[0].Approvals, []string{"canary", "guard"}) {
		t.Errorf("got %v, complete: %t, %v", got.Groups[0].Approvals, got.Complete, got.Groups[0].Holds)
	}
	if !got.Groups[0].Waves[0].Approval || got.Groups[0].Waves[1].Approval {
		t.Error("the wave that needs an approval says so, and no other")
	}
}

func TestASiteHasItsLimit(t *testing.T) {
	in := site(12, 6, v1alpha1.Rollout{MaxUnavailable: most(6)})
	in.Datacenters = []*v1alpha1.Datacenter{{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: "west"}, Spec: v1alpha1.DatacenterSpec{Limits: v1alpha1.DatacenterLimits{ConcurrentOperations: 3}}}}
	got := run(t, in)
	running := map[time.Time]int{}
	for _, s := range got.Starts {
		running[s.At]++
	}
	for at, n := range running {
		if n > 3 {
			t.Errorf("at %s %d start, of 3 that the site takes", at, n)
		}
	}
	if want := start.Add(4 * forecast.AssumedRepave.Likely); !got.End.Equal(want) {
		t.Errorf("ends %s, want %s", got.End, want)
	}
	if !slices.ContainsFunc(got.Groups[0].Waves[0].HeldBy, func(h v1alpha1.Hold) bool { return h.Source == "Datacenter/west" && h.Limit == "3" }) {
		t.Errorf("held by %v", got.Groups[0].Waves[0].HeldBy)
	}
}

func TestWhatKeepsARolloutIsTold(t *testing.T) {
	until := metav1.NewTime(start.Add(12 * time.Hour))
	for name, test := range map[string]struct {
		change   func(*forecast.Input)
		reason   string
		complete bool
		first    time.Duration
	}{
		"paused":       {func(in *forecast.Input) { in.Groups[0].Spec.Rollout.Paused = true }, v1alpha1.ReasonRolloutPaused, false, 0},
		"paused until": {func(in *forecast.Input) { r := &in.Groups[0].Spec.Rollout; r.Paused, r.PausedUntil = true, &until }, v1alpha1.ReasonRolloutPaused, true, 12 * time.Hour},
		"no profile":   {func(in *forecast.Input) { in.Profiles = nil }, v1alpha1.ReasonProfileNotFound, false, 0},
		"the datacenter paused": {func(in *forecast.Input) {
			in.Datacenters = []*v1alpha1.Datacenter{{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: "west"}, Spec: v1alpha1.DatacenterSpec{Paused: true}}}
		}, v1alpha1.ReasonDatacenterPaused, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			in := site(3, 3, v1alpha1.Rollout{MaxUnavailable: most(1)})
			test.change(&in)
			got := run(t, in)
			if got.Complete != test.complete {
				t.Fatalf("complete: %t", got.Complete)
			}
			if test.complete && !got.Starts[0].At.Equal(start.Add(test.first)) {
				t.Errorf("starts at %s", got.Starts[0].At)
			}
			holds := got.Groups[0].Holds
			for _, w := range got.Groups[0].Waves {
				holds = append(holds, w.HeldBy...)
			}
			if !slices.ContainsFunc(holds, func(h v1alpha1.Hold) bool { return h.Reason == test.reason }) {
				t.Errorf("held by %v, want %s", holds, test.reason)
			}
		})
	}
}

func TestSkippedAreTold(t *testing.T) {
	in := site(6, 6, v1alpha1.Rollout{MaxUnavailable: most(3)})
	in.Servers[0].Spec.Paused, in.Servers[0].Spec.Reason = true, "RMA-77"
	in.Servers[1].Spec.Maintenance = true
	in.Servers[2].Status.Quarantine = &v1alpha1.Quarantine{Reason: "JobFailed"}
	in.Servers[3].Status.Applied.Hash = "hash-of-2"
	other := in.Groups[0].DeepCopy()
	other.Name, other.UID = "other", "other"
	other.Spec.Selector.MatchLabels = map[string]v1alpha1.LabelValue{"also": "yes"}
	in.Groups = append(in.Groups, other)
	in.Servers[4].Labels["also"] = "yes"
	got := run(t, in).Groups[0]
	told := ""
	for _, s := range got.Skipped {
		told += s.Server[len(s.Server)-1:] + " " + s.Reason + " " + s.Message + "\n"
	}
	want := "0 ServerPaused paused (RMA-77)\n1 ServerMaintenance in maintenance\n2 ServerQuarantined quarantined (JobFailed)\n4 GroupConflict ServerGroup other selects it too\n"
	if told != want || got.Unchanged != 1 || !got.Complete || waves(forecast.Timeline{Groups: []forecast.Group{got}}) != "rest:1 10:00-10:20" {
		t.Errorf("got %q, %d unchanged, waves %v", told, got.Unchanged, got.Waves)
	}
}

func TestWhatRunsIsSeenOut(t *testing.T) {
	in := site(3, 3, v1alpha1.Rollout{MaxUnavailable: most(1)})
	in.Operations = []*v1alpha1.Operation{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: "by-hand", UID: "by-hand"},
		Spec:       v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: "server-000001"}, Operation: v1alpha1.ActionRepave, ProvisioningProfileRef: &v1alpha1.LocalReference{Name: "web"}},
		Status:     v1alpha1.OperationStatus{Phase: v1alpha1.OperationRunning, Attempts: []v1alpha1.Attempt{{Number: 1, StartedAt: metav1.NewMicroTime(start.Add(-15 * time.Minute))}}},
	}}
	got := run(t, in)
	if want := "rest:2 10:05-10:45"; waves(got) != want {
		t.Errorf("got %s, want %s", waves(got), want)
	}
	if in.Operations[0].Status.Phase != v1alpha1.OperationRunning || in.Servers[1].Status.State != v1alpha1.ServerReady {
		t.Error("the input was changed")
	}
}

func TestDurations(t *testing.T) {
	ran := func(profile string, minutes int) *v1alpha1.Operation {
		ended := metav1.NewMicroTime(start.Add(time.Duration(minutes) * time.Minute))
		return &v1alpha1.Operation{Spec: v1alpha1.OperationSpec{Operation: v1alpha1.ActionRepave, ProvisioningProfileRef: &v1alpha1.LocalReference{Name: profile}},
			Status: v1alpha1.OperationStatus{Phase: v1alpha1.OperationSucceeded, Attempts: []v1alpha1.Attempt{{StartedAt: metav1.NewMicroTime(start), EndedAt: &ended}}}}
	}
	west, east := forecast.SiteKey{Namespace: "w", Name: "west"}, forecast.SiteKey{Namespace: "e", Name: "east"}
	past := []*v1alpha1.Operation{ran("web", 10), ran("web", 20), ran("web", 30), ran("db", 90), ran("db", 60)}
	d := forecast.DurationsOf(past, func(*v1alpha1.Operation) forecast.SiteKey { return west })
	for _, test := range []struct {
		site    forecast.SiteKey
		profile string
		want    forecast.Estimate
	}{
		{west, "web", forecast.Estimate{Likely: 20 * time.Minute, Late: 30 * time.Minute, Runs: 3}},
		{east, "web", forecast.Estimate{Likely: 20 * time.Minute, Late: 30 * time.Minute, Runs: 3}},
		{west, "db", forecast.Estimate{Likely: 30 * time.Minute, Late: 90 * time.Minute, Runs: 5}},
		{east, "gpu", forecast.Estimate{Likely: 30 * time.Minute, Late: 90 * time.Minute, Runs: 5}},
	} {
		if got := d.Of(test.site, test.profile); got != test.want {
			t.Errorf("%s at %s: got %v, want %v", test.profile, test.site, got, test.want)
		}
	}
	if got := (forecast.Durations{}).Of(west, "web"); got != forecast.AssumedRepave {
		t.Errorf("of nothing: got %v", got)
	}
}

// TestForecastsAgree: the same input gives the same timeline, changes nothing, starts each server that
// differs once, and keeps the budgets at every time.
func TestForecastsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "maxUnavailable")
		rollout := v1alpha1.Rollout{MaxUnavailable: most(limit), Order: rapid.SampledFrom([]v1alpha1.RolloutOrder{v1alpha1.OrderName, v1alpha1.OrderShuffled, v1alpha1.OrderOldestFirst}).Draw(t, "order")}
		spread := rapid.Bool().Draw(t, "spread")
		if spread {
			rollout.SpreadBy = "rack"
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "waves") {
			rollout.Waves = append(rollout.Waves, v1alpha1.Wave{Name: fmt.Sprintf("w%d", i), Size: most(rapid.IntRange(1, 6).Draw(t, "size")),
				Soak:     &metav1.Duration{Duration: time.Duration(rapid.IntRange(0, 40).Draw(t, "soak")) * time.Minute},
				Approval: rapid.SampledFrom([]v1alpha1.WaveApproval{v1alpha1.ApprovalNone, v1alpha1.ApprovalRequired}).Draw(t, "approval")})
		}
		servers := rapid.IntRange(1, 30).Draw(t, "servers")
		in := site(servers, rapid.IntRange(1, servers).Draw(t, "each"), rollout)
		differ := 0
		for _, server := range in.Servers {
			switch rapid.IntRange(0, 5).Draw(t, "is") {
			case 0:
				server.Status.Applied.Hash = "hash-of-2"
			case 1:
				server.Status = v1alpha1.ServerStatus{}
				differ++
			default:
				differ++
			}
		}
		in.Datacenters = []*v1alpha1.Datacenter{{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: "west"},
			Spec: v1alpha1.DatacenterSpec{Limits: v1alpha1.DatacenterLimits{ConcurrentOperations: int32(rapid.IntRange(0, 4).Draw(t, "site"))}}}}
		first, second := forecast.Forecast(in), forecast.Forecast(in)
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("two forecasts of one input differ:\n%v\n%v", first, second)
		}
		if !first.Complete || len(first.Starts) != differ {
			t.Fatalf("%d started of %d that differ; complete: %t", len(first.Starts), differ, first.Complete)
		}
		judge(t, in, first, limit, spread)
	})
}

// judge holds the starts against the budgets, with no more than what is in the timeline.
func judge(t *rapid.T, in forecast.Input, timeline forecast.Timeline, limit int, spread bool) {
	racks := map[string]string{}
	for _, server := range in.Servers {
		racks[server.Name] = server.Labels["rack"]
	}
	site := int(in.Datacenters[0].Spec.Limits.ConcurrentOperations)
	seen := map[string]bool{}
	for i, s := range timeline.Starts {
		if seen[s.Server] {
			t.Fatalf("%s starts twice", s.Server)
		}
		seen[s.Server] = true
		group, rack, all := 0, 0, 0
		for _, other := range timeline.Starts[:i+1] {
			if !other.At.Add(forecast.AssumedRepave.Likely).After(s.At) {
				continue
			}
			all++
			if other.Group == s.Group {
				group++
				if racks[other.Server] == racks[s.Server] {
					rack++
				}
			}
		}
		if group > limit || site > 0 && all > site || spread && rack > 1 {
			t.Fatalf("at %s %d of the group run (limit %d), %d of the rack, %d at the site (limit %d)", s.At, group, limit, rack, all, site)
		}
	}
}

// TestWhatNobodyUsesIsNoLoss: servers that were never touched serve nobody, and are not counted as down.
func TestWhatNobodyUsesIsNoLoss(t *testing.T) {
	in := site(4, 4, v1alpha1.Rollout{MaxUnavailable: most(2)})
	in.Servers[0].Status, in.Servers[1].Status = v1alpha1.ServerStatus{}, v1alpha1.ServerStatus{}
	if got := run(t, in).Worst; got.Up != 0 || got.Of != 2 || got.Floor != 0 {
		t.Errorf("two of four are in use, and both are taken at once: got %+v", got)
	}
	in.Servers[2].Status, in.Servers[3].Status = v1alpha1.ServerStatus{}, v1alpha1.ServerStatus{}
	if got := run(t, in).Worst; got.Of != 0 {
		t.Errorf("none is in use: got %+v", got)
	}
}
