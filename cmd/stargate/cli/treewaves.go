package cli

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"stargate.io/stargate/api/v1alpha1"
)

// restWave is the wave of what no other takes.
const restWave = "rest"

// waveServers are the servers of one wave.
type waveServers struct {
	name    string
	servers []*v1alpha1.Server
}

// dealt tells whether it can be said which server goes with which wave: there are waves, and none of
// them takes a number of servers in an order that each revision shuffles.
func dealt(group *v1alpha1.ServerGroup) bool {
	waves := group.Spec.Rollout.Waves
	bySize := slices.ContainsFunc(waves, func(w v1alpha1.Wave) bool { return w.Size != nil })
	return len(waves) > 0 && (!bySize || group.Spec.Rollout.Order != v1alpha1.OrderShuffled)
}

// wavesOf deals a group's servers out to its waves, as package rollout does.
func wavesOf(group *v1alpha1.ServerGroup, members []*v1alpha1.Server) []waveServers {
	left := slices.SortedFunc(slices.Values(members), func(a, b *v1alpha1.Server) int { return cmp.Compare(a.Name, b.Name) })
	var waves []waveServers
	for _, wave := range group.Spec.Rollout.Waves {
		taken := waveServers{name: wave.Name}
		room := sizeOf(wave.Size, len(members))
		selector, err := wave.Selector.Selector()
		left = slices.DeleteFunc(left, func(server *v1alpha1.Server) bool {
			takes := err == nil && wave.Selector != nil && selector.Matches(labels.Set(server.Labels)) || wave.Selector == nil && len(taken.servers) < room
			if takes {
				taken.servers = append(taken.servers, server)
			}
			return takes
		})
		waves = append(waves, taken)
	}
	if len(left) > 0 || len(waves) == 0 {
		waves = append(waves, waveServers{restWave, left})
	}
	return waves
}

// sizeOf a wave: percentages round down, never below one.
func sizeOf(size *intstr.IntOrString, of int) int {
	if size == nil {
		return 0
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(size, of, false)
	if err != nil {
		return 0
	}
	return max(n, 1)
}
