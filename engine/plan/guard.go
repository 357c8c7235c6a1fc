package plan

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"stargate.io/stargate/api/v1alpha1"
)

// Verdict of the guard on a commit.
type Verdict struct {
	// Allowed without anybody's approval.
	Allowed bool
	// MaxRepaves and MaxDeletes that are.
	MaxRepaves, MaxDeletes int
	// Message says what is more than is allowed; empty where nothing is.
	Message string
}

// unasked is the guard where none is set.
var unasked = intstr.FromString("10%")

// GuardVerdict says whether so many repaves and deletes may follow without an approval, in a fleet of so
// many servers and objects. The commit's own guard, stricter, can only tighten that of the Fleet; both
// may be nil.
func GuardVerdict(fleet, stricter *v1alpha1.Guard, repaves, deletes, servers, objects int) Verdict {
	maxRepaves, saidRepaves := allowed(servers, maxRepavesOf(fleet), maxRepavesOf(stricter))
	maxDeletes, saidDeletes := allowed(objects, maxDeletesOf(fleet), maxDeletesOf(stricter))
	var over []string
	if repaves > maxRepaves {
		over = append(over, fmt.Sprintf("%s would follow, more than the %d that the guard allows (maxRepaves %s of %s)",
			count(repaves, "repave"), maxRepaves, saidRepaves, count(servers, "server")))
	}
	if deletes > maxDeletes {
		over = append(over, fmt.Sprintf("%s would be pruned, more than the %d that the guard allows (maxDeletes %s of %s)",
			count(deletes, "object"), maxDeletes, saidDeletes, count(objects, "object")))
	}
	return Verdict{Allowed: len(over) == 0, MaxRepaves: maxRepaves, MaxDeletes: maxDeletes, Message: strings.Join(over, "; ")}
}

func maxRepavesOf(guard *v1alpha1.Guard) *intstr.IntOrString {
	if guard == nil {
		return nil
	}
	return guard.MaxRepaves
}

func maxDeletesOf(guard *v1alpha1.Guard) *intstr.IntOrString {
	if guard == nil {
		return nil
	}
	return guard.MaxDeletes
}

// allowed gives how many of all, and the words that say so: the fleet's, or the default, or the commit's
// where those are fewer.
func allowed(all int, fleet, stricter *intstr.IntOrString) (int, string) {
	if fleet == nil {
		fleet = &unasked
	}
	most, said := numberOf(fleet, all), fleet.String()
	if stricter != nil {
		if fewer := numberOf(stricter, all); fewer < most {
			return fewer, stricter.String() + " in fleet.yaml,"
		}
	}
	return most, said
}

// numberOf what a number or a percentage says; a percentage rounds down, but never below one, and what
// cannot be read is none at all.
func numberOf(value *intstr.IntOrString, all int) int {
	if value.Type == intstr.Int {
		return max(0, value.IntValue())
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(value, all, false)
	if err != nil {
		return 0
	}
	return max(1, n)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
