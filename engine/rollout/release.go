package rollout

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"stargate.io/stargate/api/v1alpha1"
)

// Release is what a commit let happen to a group's servers. It stands in the annotation
// stargate.io/released, written with the group once the guard had let the commit pass.
type Release struct {
	// Apply is the number of the fleet's apply.
	Apply int64
	// Inputs that were looked at: see Inputs.
	Inputs string
	// Members that were counted: see Members.
	Members string
	// Repaves that were forecast for the group.
	Repaves int32
}

// releaseLimit bounds what is read: two hashes and two numbers.
const releaseLimit = 128

// String is the form that ParseRelease reads.
func (r Release) String() string {
	return fmt.Sprintf("%d %s %s %d", r.Apply, r.Inputs, r.Members, r.Repaves)
}

// ParseRelease reads what String wrote, and nothing else.
func ParseRelease(text string) (Release, error) {
	if len(text) > releaseLimit {
		return Release{}, fmt.Errorf("reading %s: longer than %d characters", v1alpha1.AnnotationReleased, releaseLimit)
	}
	words := strings.Split(text, " ")
	if len(words) != 4 {
		return Release{}, fmt.Errorf("reading %s: has %d words, not 4", v1alpha1.AnnotationReleased, len(words))
	}
	apply, errApply := strconv.ParseInt(words[0], 10, 64)
	repaves, errRepaves := strconv.ParseInt(words[3], 10, 32)
	r := Release{Apply: apply, Inputs: words[1], Members: words[2], Repaves: int32(repaves)}
	if err := errors.Join(errApply, errRepaves); err != nil {
		return Release{}, fmt.Errorf("reading %s: %w", v1alpha1.AnnotationReleased, err)
	}
	if apply < 1 || repaves < 0 || r.Inputs == "" || r.String() != text {
		return Release{}, fmt.Errorf("reading %s: %q is not as it was written", v1alpha1.AnnotationReleased, text)
	}
	return r, nil
}

// Inputs is a hash over what decides which server gets what: the profile's name and whole spec, and
// the group's selector. The spec is nil where the profile is not there.
func Inputs(group *v1alpha1.ServerGroup, spec *v1alpha1.ProvisioningProfileSpec) string {
	content, err := json.Marshal(struct {
		Profile  string
		Spec     *v1alpha1.ProvisioningProfileSpec
		Selector *v1alpha1.LabelSelector
	}{group.Spec.ProvisioningProfileRef.Name, spec, &group.Spec.Selector})
	if err != nil {
		// Strings, numbers and maps of strings always marshal.
		panic(err)
	}
	return shortHash(content)
}

// Members is a hash over the servers that a group selects: their names, and what their machines are
// known by. The order does not matter.
func Members(servers []*v1alpha1.Server) string {
	lines := make([]string, 0, len(servers))
	for _, server := range servers {
		bmc, system := "", ""
		if server.Spec.BMC != nil {
			bmc, system = server.Spec.BMC.Address, server.Spec.BMC.SystemID
		}
		lines = append(lines, strings.Join([]string{
			server.Name, strings.ToLower(server.Spec.MAC), strings.ToLower(server.Spec.BootMACAddress), bmc, system,
		}, "\t"))
	}
	slices.Sort(lines)
	return shortHash([]byte(strings.Join(lines, "\n")))
}

// ReleaseOf a group of a commit: what it goes by, and which of the commit's servers it takes. How many
// repaves it lets pass is for the caller to say. The profile is nil where there is none.
func ReleaseOf(group *v1alpha1.ServerGroup, profile *v1alpha1.ProvisioningProfile, servers []*v1alpha1.Server, apply int64) Release {
	var spec *v1alpha1.ProvisioningProfileSpec
	if profile != nil {
		spec = &profile.Spec
	}
	return Release{Apply: apply, Inputs: Inputs(group, spec), Members: Members(taken(group, servers))}
}

// taken are the servers of the group's namespace that its selector takes.
func taken(group *v1alpha1.ServerGroup, servers []*v1alpha1.Server) []*v1alpha1.Server {
	selector, err := group.Spec.Selector.Selector()
	if err != nil {
		return nil // neither the API server nor a commit lets one in
	}
	var all []*v1alpha1.Server
	for _, server := range servers {
		if server.Namespace == group.Namespace && selector.Matches(labels.Set(server.Labels)) {
			all = append(all, server)
		}
	}
	return all
}

// shortHash is 16 hex digits over a content.
func shortHash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}
