package tree

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"stargate.io/stargate/api/v1alpha1"
)

// fleetSettings are what fleet.yaml says for the whole tree.
type fleetSettings struct {
	// Guard that the commit asks for.
	Guard *v1alpha1.Guard
	// rollout and profile that ServerGroups have which say nothing else.
	rollout map[string]any
	profile string
}

// readFleet takes fleet.yaml. What is wrong with it is told there, and not once more of each group.
func (c *commit) readFleet(file File) {
	chunks, problems := split(file, c.options.Limits)
	c.problems = append(c.problems, problems...)
	if len(chunks) == 0 {
		return
	}
	roots, problems := parse(chunks[0], c.options.Limits)
	c.problems = append(c.problems, problems...)
	if len(roots) == 0 {
		return
	}
	r := &reading{commit: c, chunk: chunks[0], root: roots[0]}
	defer func() { c.problems = append(c.problems, r.problems...) }()
	if len(chunks) > 1 {
		r.problems = append(r.problems, chunks[1].problem(1, 1, fleetFile+" holds more than one document", "keep one: objects go into other files"))
		return
	}
	if p := bounded(r.chunk, r.root, c.options.Limits); p != nil {
		r.problems = append(r.problems, *p)
		return
	}
	w := writer{chunk: r.chunk}
	object, ok := w.value(r.root).(map[string]any)
	r.problems = append(r.problems, w.problems...)
	switch {
	case len(r.problems) > 0:
	case !ok:
		r.problem("", fleetFile+" is not an object", "give it defaults and guard, or remove it")
	case object["kind"] != nil || object["apiVersion"] != nil:
		r.problem("kind", fleetFile+" is no API object: it holds what the whole tree shares", "keep defaults and guard in it, and move the object to another file")
	default:
		r.settings(object)
	}
}

// settings of the whole tree, each checked as the field that it stands for.
func (r *reading) settings(object map[string]any) {
	withoutNulls(object)
	r.only("", object, "defaults", "guard")
	defaults := r.objectAt(object, "", "defaults")
	r.only("defaults", defaults, "rollout", "profile")
	rollout := r.objectAt(defaults, "defaults", "rollout")
	guard := r.objectAt(object, "", "guard")
	profile, text := defaults["profile"].(string)
	if defaults["profile"] != nil && !text {
		r.notText("defaults.profile", defaults["profile"])
	}
	stand := profile
	if stand == "" {
		stand = "stand-in"
	}
	r.standIn("ServerGroup", map[string]any{
		"selector":               map[string]any{"matchLabels": map[string]any{"a": "b"}},
		"provisioningProfileRef": map[string]any{"name": stand}, "rollout": rollout,
	}, map[string]string{"spec.rollout": "defaults.rollout", "spec.provisioningProfileRef.name": "defaults.profile"})
	r.standIn("Fleet", map[string]any{"url": "https://stand.in/fleet.git", "guard": guard}, map[string]string{"spec.guard": "guard"})
	if len(r.problems) > 0 {
		return
	}
	r.fleet.rollout, r.fleet.profile = rollout, profile
	if len(guard) > 0 {
		r.fleet.Guard = &v1alpha1.Guard{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(guard, r.fleet.Guard); err != nil {
			r.problem("guard", "guard cannot be read: "+plain(err.Error()), "give maxRepaves and maxDeletes, numbers or percentages")
		}
	}
}

// only these fields may be there.
func (r *reading) only(path string, object map[string]any, names ...string) {
	for _, key := range keysOf(object) {
		if !slices.Contains(names, key) {
			at := strings.TrimPrefix(path+"."+key, ".")
			r.problem(at, "unknown field "+quoted(at), didYouMean(key, names, "use "+strings.Join(names, " and ")+" only"))
		}
	}
}

// objectAt a key, empty where there is none.
func (r *reading) objectAt(in map[string]any, path, key string) map[string]any {
	at := strings.TrimPrefix(path+"."+key, ".")
	value, has := in[key]
	object, ok := value.(map[string]any)
	if has && !ok {
		r.problem(at, at+" is "+kindOf(value)+" where an object is needed", "write 'key: value' lines below it")
	}
	if object == nil {
		return map[string]any{}
	}
	return object
}

// standIn checks a part of the file as a spec of the kind that the part will be in, and tells of it under the path that
// it has in the file.
func (r *reading) standIn(name string, spec map[string]any, paths map[string]string) {
	if r.options.Schemas == nil || r.options.Schemas.kinds[name] == nil {
		return
	}
	other := &reading{commit: r.commit, chunk: r.chunk, root: r.root, kind: kind{name: name}}
	other.full = runtime.DeepCopyJSON(map[string]any{
		"apiVersion": ours, "kind": name, "metadata": map[string]any{"name": "stand-in"}, "spec": spec,
	})
	other.paths = paths
	other.fields(r.options.Schemas.kinds[name])
	r.problems = append(r.problems, other.problems...)
}

// inherit what fleet.yaml gives ServerGroups that say nothing else.
func (r *reading) inherit() {
	if r.kind.name != "ServerGroup" {
		return
	}
	spec, ok := r.object["spec"].(map[string]any)
	if !ok {
		return
	}
	if spec["provisioningProfileRef"] == nil && r.fleet.profile != "" {
		spec["provisioningProfileRef"] = map[string]any{"name": r.fleet.profile}
	}
	if len(r.fleet.rollout) == 0 {
		return
	}
	if spec["rollout"] == nil {
		spec["rollout"] = map[string]any{}
	}
	if rollout, ok := spec["rollout"].(map[string]any); ok {
		under(rollout, r.fleet.rollout)
	}
}

// under puts what is unset in place; objects within each other, lists whole.
func under(values, defaults map[string]any) {
	for key, value := range defaults {
		inner, isObject := value.(map[string]any)
		mine, has := values[key]
		switch {
		case !has || mine == nil:
			values[key] = runtime.DeepCopyJSONValue(value)
		case isObject:
			if object, ok := mine.(map[string]any); ok {
				under(object, inner)
			}
		}
	}
}
