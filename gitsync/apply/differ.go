package apply

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree"
)

// compare a desired object with the live one: why it is to be sent, and which fields differ. Without a
// cause it is as it should be.
func compare(o *tree.Object, digest string, live Object, fleet string) (Cause, []Field) {
	was, stamped := recorded(live)
	if was == digest && stamped && live.GetLabels()[v1alpha1.LabelFleet] == fleet && sameMeta(o, live) && sameSpec(o, live) {
		return "", nil
	}
	fields := differences(o, live, fleet)
	switch {
	case was != digest:
		if was != "" && o.Typed != nil {
			fields = append(fields, leaving(o, live)...)
		}
		return CauseContent, fields
	case len(fields) > 0:
		return CauseDrift, fields
	case !stamped:
		return CauseDrift, []Field{{Path: "metadata.annotations", Old: "stamps that another wrote"}}
	}
	return "", nil
}

// differences between what is desired and what the live object has of it.
func differences(o *tree.Object, live Object, fleet string) []Field {
	d := differ{secret: o.Content.GetKind() == "Secret"}
	d.labels(o, live, fleet)
	want := sent(o)
	as, is := kept(o, want, live), untyped(live)
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if key != "apiVersion" && key != "kind" && key != "metadata" && key != "status" {
			d.value(key, want[key], as[key], is[key])
		}
	}
	return d.fields
}

// leaving are the fields of the live object that are not desired any more. They go unless another set them.
func leaving(o *tree.Object, live Object) []Field {
	var d differ
	meta, _ := o.Content.Object["metadata"].(map[string]any)
	wanted, _ := meta["labels"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(live.GetLabels())) {
		if _, stays := wanted[key]; !stays && key != v1alpha1.LabelFleet {
			d.leaf("metadata.labels["+key+"]", live.GetLabels()[key], nil)
		}
	}
	d.beyond("spec", kept(o, o.Content.Object, live)["spec"], untyped(live)["spec"])
	return d.fields
}

// sameMeta tells whether the live object has the labels and annotations that are desired.
func sameMeta(o *tree.Object, live Object) bool {
	meta, _ := o.Content.Object["metadata"].(map[string]any)
	return hasAll(meta["labels"], live.GetLabels()) && hasAll(meta["annotations"], live.GetAnnotations())
}

func hasAll(want any, has map[string]string) bool {
	wanted, _ := want.(map[string]any)
	for key, value := range wanted {
		if is, ok := has[key]; !ok || is != value {
			return false
		}
	}
	return true
}

// sameSpec is the quick answer: the live object, as it is typed, equals the desired one with its defaults.
// False says nothing yet.
func sameSpec(o *tree.Object, live Object) bool {
	want, is := specOf(o.Typed), specOf(live)
	return want != nil && is != nil && equality.Semantic.DeepEqual(want, is)
}

// kept is the desired object as the API server's types write it: durations, times and what is zero have
// one form there.
func kept(o *tree.Object, want map[string]any, live Object) map[string]any {
	if o.Typed != nil {
		if as, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o.Typed); err == nil {
			return as
		}
	}
	if specOf(live) == nil {
		return want
	}
	typed := reflect.New(reflect.TypeOf(live).Elem()).Interface()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(want, typed); err != nil {
		return want // of a field that the type does not know; compared as it was given
	}
	as, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return want
	}
	return as
}

// untyped form of a live object.
func untyped(live Object) map[string]any {
	if u, ok := live.(*unstructured.Unstructured); ok {
		return u.Object
	}
	is, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		return nil // shown as if nothing of it were there, and so sent
	}
	return is
}

// differ lists the fields of an object that are not as they should be.
type differ struct {
	secret bool
	fields []Field
}

func (d *differ) note(path, before, after string) {
	d.fields = append(d.fields, Field{Path: path, Old: before, New: after})
}

func (d *differ) leaf(path string, before, after any) {
	hidden := d.secret && !strings.HasPrefix(path, "metadata.labels")
	d.note(path, shown(path, before, hidden), shown(path, after, hidden))
}

// labels and annotations that differ. That of the fleet is put onto everything.
func (d *differ) labels(o *tree.Object, live Object, fleet string) {
	if owner := live.GetLabels()[v1alpha1.LabelFleet]; owner != fleet {
		d.note("metadata.labels["+v1alpha1.LabelFleet+"]", owner, fleet)
	}
	meta, _ := o.Content.Object["metadata"].(map[string]any)
	for field, has := range map[string]map[string]string{"annotations": live.GetAnnotations(), "labels": live.GetLabels()} {
		want, _ := meta[field].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if is, ok := has[key]; !ok {
				d.leaf("metadata."+field+"["+key+"]", nil, want[key])
			} else if is != want[key] {
				d.leaf("metadata."+field+"["+key+"]", is, want[key])
			}
		}
	}
	slices.SortFunc(d.fields, func(a, b Field) int { return strings.Compare(a.Path, b.Path) })
}

// value that is given, as it would be kept, against the live one.
func (d *differ) value(path string, given, kept, live any) {
	switch want := given.(type) {
	case nil: // says nothing
	case map[string]any:
		as, _ := kept.(map[string]any)
		is, _ := live.(map[string]any)
		d.object(path, want, as, is)
	case []any:
		as, _ := kept.([]any)
		is, _ := live.([]any)
		d.list(path, want, as, is)
	default:
		same := kept == nil && empty(live) || kept != nil && live != nil && scalar(kept) == scalar(live)
		if !same {
			d.leaf(path, live, cmp.Or(kept, given))
		}
	}
}

// object that is given, as the API server would merge it: field by field, or as a whole.
func (d *differ) object(path string, given, kept, live map[string]any) {
	if slices.Contains(atomicObjects, lastOf(path)) {
		if !equality.Semantic.DeepEqual(kept, live) {
			d.leaf(path, live, kept)
		}
		return
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		d.value(path+"."+key, given[key], kept[key], live[key])
	}
}

// atomic lists are replaced as a whole; the API server merges all others. A test holds this against the
// schemas.
var atomic = []string{"matchExpressions", "values"}

// atomicObjects are replaced as a whole, too; all others are merged field by field.
var atomicObjects = []string{"selector", "serverSelector"}

// lastOf a path is the name of the field.
func lastOf(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// list that is given, as the API server would merge it: one of named objects by name, another of objects
// as a whole, one of plain values as a set.
func (d *differ) list(path string, given, kept, live []any) {
	switch {
	case slices.Contains(atomic, lastOf(path)):
		if len(kept)+len(live) > 0 && !equality.Semantic.DeepEqual(kept, live) {
			d.leaf(path, nilIfNone(live), kept)
		}
	case named(given) && len(kept) == len(given):
		d.namedList(path, given, kept, live)
	default:
		for _, item := range kept {
			if !slices.ContainsFunc(live, func(is any) bool { return equality.Semantic.DeepEqual(is, item) }) {
				d.leaf(path, nilIfNone(live), kept)
				return
			}
		}
	}
}

// namedList compares element by element, and their order.
func (d *differ) namedList(path string, given, kept, live []any) {
	at, last := make(map[string]int, len(live)), -1
	for i, item := range live {
		at[nameOf(item)] = i
	}
	moved := false
	for i, item := range given {
		name := nameOf(item)
		inside := path + "[" + name + "]"
		where, ok := at[name]
		if !ok {
			d.leaf(inside, nil, kept[i])
			continue
		}
		moved = moved || where < last
		last = where
		d.value(inside, item, kept[i], live[where])
	}
	if moved {
		d.leaf(path, names(live), names(given))
	}
}

// beyond lists what the live object has and the desired one has not, where the desired one is complete:
// it goes unless another set it.
func (d *differ) beyond(path string, want, live any) {
	switch is := live.(type) {
	case map[string]any:
		as, _ := want.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(is)) {
			switch inner, ok := as[key]; {
			case ok:
				d.beyond(path+"."+key, inner, is[key])
			case !empty(is[key]):
				d.leaf(path+"."+key, is[key], nil)
			}
		}
	case []any:
		as, _ := want.([]any)
		if !named(is) {
			return // compared as a whole
		}
		for _, item := range is {
			i := slices.IndexFunc(as, func(w any) bool { return nameOf(w) == nameOf(item) })
			if i < 0 {
				d.leaf(path+"["+nameOf(item)+"]", item, nil)
				continue
			}
			d.beyond(path+"["+nameOf(item)+"]", as[i], item)
		}
	}
}

// named tells whether a list is of objects that are told apart by name.
func named(list []any) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(item any) bool { return nameOf(item) == "" })
}

func nameOf(item any) string {
	object, _ := item.(map[string]any)
	name, _ := object["name"].(string)
	return name
}

func names(list []any) []any {
	all := make([]any, len(list))
	for i, item := range list {
		all[i] = nameOf(item)
	}
	return all
}

func nilIfNone(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

// empty tells whether a value is as good as none: types leave it out.
func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case map[string]any:
		return !slices.ContainsFunc(slices.Collect(maps.Values(v)), func(inner any) bool { return !empty(inner) })
	case []any:
		return len(v) == 0
	}
	return scalar(value) == strconv.Itoa(0)
}
