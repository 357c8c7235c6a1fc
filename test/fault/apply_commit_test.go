package fault

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"stargate.io/stargate/api/v1alpha1"
)

// content of a commit: the same in each namespace.
type content struct {
	// version of the OS that the groups get.
	version string
	// servers by number, and those among them that say nothing of the commit, so that a later one
	// leaves them as they are.
	first, last int
	same        map[int]bool
	// web and db are how many servers, from number 1 on, the two groups have. The rest is in none.
	web, db int
	// profiles beside the one of the groups.
	profiles int
}

// whole is a commit of two hundred objects; next changes most of them, and takes some away.
var (
	whole = content{version: "2.0.0", first: 1, last: 90, same: numbers(46, 85), web: 8, db: 4, profiles: 7}
	next  = content{version: "2.1.0", first: 1, last: 89, same: numbers(46, 85), web: 8, db: 4, profiles: 8}
)

// numbers from one to another.
func numbers(from, to int) map[int]bool {
	all := map[int]bool{}
	for n := from; n <= to; n++ {
		all[n] = true
	}
	return all
}

const fleetProfile = "os"

// grouped servers have numbers up to this.
func (c content) grouped() int { return c.web + c.db }

// groupOf server number n; empty for none.
func (c content) groupOf(n int) string {
	switch {
	case n <= c.web:
		return "web"
	case n <= c.grouped():
		return "db"
	}
	return "none"
}

// objects of the commit in a namespace.
func (c content) objects(namespace string) []client.Object {
	all := []client.Object{c.profile(namespace, fleetProfile)}
	for n := range c.profiles {
		all = append(all, c.profile(namespace, fmt.Sprintf("spare-%d", n)))
	}
	for n := c.first; n <= c.last; n++ {
		s := server(namespace, n)
		s.TypeMeta = metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Server"}
		s.Labels = map[string]string{"role": c.groupOf(n), "since": c.version}
		if c.same[n] {
			s.Labels["since"] = "ever"
		}
		all = append(all, s)
	}
	return append(all, c.group(namespace, "web"), c.group(namespace, "db"))
}

func (c content) profile(namespace, name string) *v1alpha1.ProvisioningProfile {
	p := profile(namespace)
	p.TypeMeta = metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ProvisioningProfile"}
	p.Name, p.Spec.OSVersion, p.Spec.OSImage = name, c.version, "https://images.example.com/"+c.version+".img"
	return p
}

func (c content) group(namespace, name string) *v1alpha1.ServerGroup {
	return &v1alpha1.ServerGroup{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ServerGroup"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"since": c.version}},
		Spec: v1alpha1.ServerGroupSpec{
			Selector:               v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"role": v1alpha1.LabelValue(name)}},
			ProvisioningProfileRef: v1alpha1.LocalReference{Name: fleetProfile},
			Rollout:                v1alpha1.Rollout{MaxUnavailable: percent("100%")},
		},
	}
}

// files of the commit for some namespaces.
func (c content) files(namespaces ...string) (map[string]string, error) {
	files := map[string]string{}
	for _, namespace := range namespaces {
		var out strings.Builder
		for _, object := range c.objects(namespace) {
			text, err := yaml.Marshal(object)
			if err != nil {
				return nil, err
			}
			// What a person would not write.
			kept := strings.ReplaceAll(string(text), "status: {}\n", "")
			kept = strings.ReplaceAll(kept, "  creationTimestamp: null\n", "")
			out.WriteString("---\n" + kept)
		}
		files["datacenters/"+namespace+"/all.yaml"] = out.String()
	}
	return files, nil
}

// keys of the objects in a namespace, by keyOf.
func (c content) keys(namespace string) map[string]client.Object {
	keys := map[string]client.Object{}
	for _, object := range c.objects(namespace) {
		keys[keyOf(object)] = object
	}
	return keys
}

func keyOf(object client.Object) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", object), "*v1alpha1.") + " " + object.GetNamespace() + "/" + object.GetName()
}

// writes that it takes to bring two namespaces from one commit to another: one for each object that is
// new, other or gone, and one before and one after them all.
func (c content) writes(before *content) int {
	count := 2
	for _, namespace := range []string{"a", "b"} {
		var had map[string]client.Object
		if before != nil {
			had = before.keys(namespace)
		}
		for key, object := range c.keys(namespace) {
			if was, ok := had[key]; !ok || was.GetLabels()["since"] != object.GetLabels()["since"] || object.GetLabels()["since"] == "" {
				count++
			}
			delete(had, key)
		}
		count += len(had)
	}
	return count
}
