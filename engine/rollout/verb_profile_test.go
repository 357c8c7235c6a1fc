package rollout_test

import (
	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// profile VERSION [apply=N] | gone: what the group's profile says.
func verbProfile(w *world, d *datadriven.TestData) string {
	if bare(d, 0) == "gone" {
		w.profile = rollout.Profile{Name: "os", Problem: &v1alpha1.Hold{Source: "ProvisioningProfile/os", Reason: v1alpha1.ReasonProfileNotFound,
			Message: "no ProvisioningProfile os", ClearsWhen: "it is created"}}
		return "os is gone"
	}
	w.setProfile(bare(d, 0))
	if apply := word(d, "apply", ""); apply != "" {
		w.profile.Apply = int64(numberOf(apply))
	}
	return "os: " + w.profile.Hash
}
