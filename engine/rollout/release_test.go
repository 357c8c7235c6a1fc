package rollout_test

import (
	"math"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

func TestReleaseReadsWhatItWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hash := rapid.StringMatching(`[0-9a-f]{16}`)
		r := rollout.Release{Apply: rapid.Int64Range(1, math.MaxInt64).Draw(t, "apply"), Inputs: hash.Draw(t, "inputs"),
			Members: hash.Draw(t, "members"), Repaves: rapid.Int32Range(0, math.MaxInt32).Draw(t, "repaves")}
		if back, err := rollout.ParseRelease(r.String()); err != nil || back != r {
			t.Fatalf("%q reads as %+v, %v", r, back, err)
		}
	})
}

func TestReleaseRefusesWhatItDidNotWrite(t *testing.T) {
	for _, text := range []string{
		"", " ", "1", "1 a b", "1 a b 2 3", "0 a b 2", "-1 a b 2", "01 a b 2", "+1 a b 2", "1 a b -2", "1 a b 2 ", " 1 a b 2", "1  b 2",
		"1 a b 2147483648", "9223372036854775808 a b 2", "1 a\tb 2", "1 a b 0x2", "x a b 2", "1 " + strings.Repeat("a", 200) + " b 2",
	} {
		if r, err := rollout.ParseRelease(text); err == nil {
			t.Errorf("%q reads as %+v", text, r)
		}
	}
}

func FuzzParseRelease(f *testing.F) {
	f.Add("1 3fa9c1b200000000 3fa9c1b200000000 24")
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := rollout.ParseRelease(text); err == nil && r.String() != text {
			t.Errorf("%q reads as %q", text, r)
		}
	})
}

func TestInputsCoverWhatDecides(t *testing.T) {
	group := &v1alpha1.ServerGroup{}
	group.Spec.ProvisioningProfileRef.Name = "os"
	group.Spec.Selector.MatchLabels = map[string]v1alpha1.LabelValue{"role": "web"}
	spec := &v1alpha1.ProvisioningProfileSpec{OSVersion: "2.0.0"}
	base := rollout.Inputs(group, spec)
	same := group.DeepCopy()
	same.Spec.Rollout.Paused, same.Labels = true, map[string]string{"a": "b"}
	if rollout.Inputs(same, spec.DeepCopy()) != base {
		t.Error("how it rolls out is no input")
	}
	otherProfile, otherSelector := group.DeepCopy(), group.DeepCopy()
	otherProfile.Spec.ProvisioningProfileRef.Name = "other"
	otherSelector.Spec.Selector.MatchLabels["role"] = "db"
	for name, other := range map[string]string{
		"the profile's name": rollout.Inputs(otherProfile, spec), "the selector": rollout.Inputs(otherSelector, spec), "no profile": rollout.Inputs(group, nil),
		"the profile": rollout.Inputs(group, &v1alpha1.ProvisioningProfileSpec{OSVersion: "2.0.0", OSImageFormat: "raw"}),
	} {
		if other == base {
			t.Errorf("%s is not covered", name)
		}
	}
}

func TestMembersCoverWhoIsMeant(t *testing.T) {
	one := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Name: "s-1"}, Spec: v1alpha1.ServerSpec{MAC: "AA:bb:cc:dd:ee:01"}}
	two := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Name: "s-2"}, Spec: v1alpha1.ServerSpec{MAC: "aa:bb:cc:dd:ee:02"}}
	lower, moved := one.DeepCopy(), one.DeepCopy()
	lower.Spec.MAC, lower.Labels = "aa:bb:cc:dd:ee:01", map[string]string{"rack": "r1"}
	moved.Spec.MAC = "aa:bb:cc:dd:ee:03"
	base := rollout.Members([]*v1alpha1.Server{one, two})
	if rollout.Members([]*v1alpha1.Server{two, lower}) != base {
		t.Error("neither order nor labels make others of them")
	}
	if rollout.Members([]*v1alpha1.Server{moved, two}) == base || rollout.Members([]*v1alpha1.Server{one}) == base {
		t.Error("another machine, or one less, is another membership")
	}
}

func TestAllowance(t *testing.T) {
	for _, test := range []struct {
		limit string
		total int
		want  int
	}{
		{"10%", 40, 4}, {"10%", 49, 4}, {"10%", 9, 1}, {"10%", 0, 1}, {"100%", 7, 7}, {"1%", 100_000, 1000},
		{"0", 40, 0}, {"5", 3, 5}, {"1000000", 1, 1_000_000}, {"0%", 40, 0}, {"101%", 40, 0}, {"x", 40, 0}, {"%", 40, 0}, {"-5", 40, 0},
	} {
		limit := intstr.Parse(test.limit)
		if got := rollout.Allowance(&limit, test.total); got != test.want {
			t.Errorf("%s of %d: %d, want %d", test.limit, test.total, got, test.want)
		}
	}
	if got := rollout.Allowance(nil, 100); got != 10 {
		t.Errorf("unsaid: %d, want 10", got)
	}
	for limit, want := range map[string]int{"25%": 4, "1%": 1, "3": 3, "0": 1, "x": 1} {
		most := intstr.Parse(limit)
		if got := rollout.MaxUnavailable(&most, 19); got != want {
			t.Errorf("max unavailable %s of 19: %d, want %d", limit, got, want)
		}
	}
	if got := rollout.MaxUnavailable(nil, 100); got != 1 {
		t.Errorf("unsaid: %d, want 1", got)
	}
}
