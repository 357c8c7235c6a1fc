package tree

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"stargate.io/stargate/api/v1alpha1"
)

// item is an object of a commit while it is read.
type item struct {
	*Object
	// shared profiles have no namespace of their own.
	shared bool
	// fields that references and duplicates are told at.
	fields map[string]Place
	// broken: something is wrong with it, but it is there.
	broken bool
}

// at gives the place of a field, or the object's own.
func (i *item) at(field string) Place {
	if place, ok := i.fields[field]; ok {
		return place
	}
	return i.Place
}

// title of the object for messages.
func (i *item) title() string { return titleOf(i.Content.GetKind(), i.Content.GetName()) }

func titleOf(kind, name string) string { return cut(kind, 63) + "/" + cut(name, 253) }

// problem with a field of the object.
func (i *item) problem(field, message, mend string) Problem {
	return Problem{Place: i.at(field), Object: i.title(), Field: field, Message: message, Mend: mend}
}

// reading is one document on its way to an object.
type reading struct {
	*commit
	chunk  chunk
	root   *yaml.Node
	object map[string]any
	// full is the object with the schema's defaults.
	full     map[string]any
	kind     kind
	problems []Problem
	// paths of an object that stand for others in the file.
	paths map[string]string
	// script is the file of a Hook's script.
	script string
}

// wanted are the fields that are remembered with their places.
var wanted = []string{
	"metadata.name", "metadata.namespace", "spec.mac", "spec.bootMACAddress", "spec.ipv4", "spec.bmc.address", "spec.datacenterRef.name",
	"spec.adopt.profile", "spec.provisioningProfileRef.name", "spec.selector",
}

// read a document into an object. Without an item there is nothing that could be known by kind and name.
func (c *commit) read(of chunk, root *yaml.Node) (*item, []Problem) {
	if p := bounded(of, root, c.options.Limits); p != nil {
		return nil, []Problem{*p}
	}
	w := writer{chunk: of}
	object, ok := w.value(root).(map[string]any)
	if !ok {
		w.refuse(root, "the document is "+kindOf(w.value(root))+", not an object", "give it apiVersion, kind and metadata")
	}
	if len(w.problems) > 0 {
		return nil, w.problems
	}
	r := &reading{commit: c, chunk: of, root: root, object: object}
	if !r.identify() {
		return nil, r.problems
	}
	r.metadata()
	r.withoutStatus()
	shared := r.place()
	if r.kind.made == nil {
		r.foreign()
	} else {
		r.own()
	}
	meta, _ := r.object["metadata"].(map[string]any)
	if name, _ := meta["name"].(string); name == "" {
		return nil, r.problems
	}
	i := r.item(shared)
	if len(r.problems) == 0 && r.kind.made != nil {
		r.typed(i)
	}
	i.broken = len(r.problems) > 0
	return i, r.problems
}

func (r *reading) item(shared bool) *item {
	i := &item{
		Object: &Object{
			Place:   Place{File: r.chunk.file, Line: r.chunk.before + r.root.Line, Column: r.root.Column},
			Content: &unstructured.Unstructured{Object: r.object},
		},
		shared: shared, fields: map[string]Place{},
	}
	for _, field := range wanted {
		if n, whole := spot(r.root, field); whole {
			i.fields[field] = Place{File: r.chunk.file, Line: r.chunk.before + n.Line, Column: n.Column}
		}
	}
	return i
}

// problem at a field, or where it would be.
func (r *reading) problem(field, message, mend string) {
	for from, to := range r.paths {
		if rest, ok := strings.CutPrefix(field, from); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			message, mend = strings.ReplaceAll(message, from, to), strings.ReplaceAll(mend, from, to)
			field = to + rest
			break
		}
	}
	n, _ := spot(r.root, field)
	p := r.chunk.problem(n.Line, n.Column, plain(message), mend)
	p.Object, p.Field = r.title(), field
	r.problems = append(r.problems, p)
}

func (r *reading) title() string {
	name, _ := r.object["kind"].(string)
	meta, _ := r.object["metadata"].(map[string]any)
	called, _ := meta["name"].(string)
	if name == "" || called == "" {
		return cut(name, 63)
	}
	return titleOf(name, called)
}

// word gives what stands at the field, where it is one of the words that YAML 1.1 takes for a boolean.
func (r *reading) word(field string) string {
	n, whole := spot(r.root, field)
	if !whole {
		return ""
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if _, is := boolean(n); is {
		return n.Value
	}
	return ""
}

// identify the kind, and tell whether a commit may hold it.
func (r *reading) identify() bool {
	api, _ := r.object["apiVersion"].(string)
	name, _ := r.object["kind"].(string)
	known, is := kindNamed(name)
	switch {
	case name == "":
		r.problem("kind", "the object has no kind", "give it apiVersion and kind, or move the file out of what the fleet reads")
	case strings.HasSuffix(name, "List"):
		r.problem("kind", "a "+quoted(name)+" is not taken", "write each of its items as a document of its own, between lines of '---'")
	case refused[name] != "":
		r.problem("kind", name+" is not for a fleet repository", refused[name])
	case !is:
		r.problem("kind", "kind "+quoted(name)+" is not for a fleet repository",
			didYouMean(name, r.options.kindNames(), "use one of "+strings.Join(r.options.kindNames(), ", ")))
	case api != known.api:
		r.problem("apiVersion", fmt.Sprintf("%s is of apiVersion %s, not %s", name, quoted(known.api), quoted(api)), "write apiVersion: "+known.api)
	case known.made == nil && !slices.Contains(r.options.AllowKinds, v1alpha1.ForeignKind(name)):
		r.problem("kind", name+" is not allowed in this fleet", "add "+name+" to spec.allowKinds of the Fleet "+r.options.Fleet+", or remove the object")
	default:
		r.kind = known
		return true
	}
	return false
}

// withoutStatus: what is known of an object is not for a repository to say. An empty one, as generators write it, is
// nothing said.
func (r *reading) withoutStatus() {
	status, has := r.object["status"]
	if m, ok := status.(map[string]any); has && status != nil && (!ok || len(m) > 0) {
		r.problem("status", "status is not for a repository to set", "remove it: controllers write it")
	}
	delete(r.object, "status")
}

// place the object in its namespace. It tells whether the object is a shared profile.
func (r *reading) place() (shared bool) {
	meta, ok := r.object["metadata"].(map[string]any)
	if !ok {
		return false
	}
	scope := scopeOf(r.chunk.file)
	namespace := stringOf(meta["namespace"])
	if !r.kind.namespaced {
		r.placeless(scope, meta)
		return false
	}
	switch {
	case namespace != "":
		r.allowed(scope, namespace, "metadata.namespace")
	case scope.datacenter != "":
		meta["namespace"] = scope.datacenter
		r.allowed(scope, scope.datacenter, "metadata")
	case scope.profiles && r.kind.name == "ProvisioningProfile":
		return true
	default:
		r.problem("metadata", "metadata.namespace is missing", "move the file to datacenters/<datacenter>/, or give metadata.namespace")
	}
	return false
}

// placeless kinds have no namespace; a Namespace is one.
func (r *reading) placeless(scope scope, meta map[string]any) {
	if meta["namespace"] != nil {
		r.problem("metadata.namespace", r.kind.name+" belongs to no namespace", "remove metadata.namespace")
	}
	if r.kind.name == "Namespace" {
		r.allowed(scope, stringOf(meta["name"]), "metadata.name")
	}
}

// allowed tells of a namespace that the object may not be in.
func (r *reading) allowed(scope scope, namespace, field string) {
	switch {
	case scope.datacenter != "" && namespace != scope.datacenter:
		r.problem(field, fmt.Sprintf("the object is of namespace %s in the folder of datacenter %s", quoted(namespace), quoted(scope.datacenter)),
			"move the file to datacenters/"+cut(namespace, 63)+"/, or leave the namespace out")
	case strings.HasPrefix(namespace, "kube-") || slices.Contains(r.options.ForbidNamespaces, namespace):
		r.problem(field, "namespace "+quoted(namespace)+" is the system's own", "use the datacenter's namespace")
	}
}

func stringOf(v any) string {
	s, _ := v.(string)
	return s
}

// typed makes the kind's own type of the object.
func (r *reading) typed(i *item) {
	made := r.kind.made()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(r.full, made); err != nil {
		r.problem("spec", "the object cannot be read as a "+r.kind.name+": "+plain(err.Error()), "compare it with config/samples")
		return
	}
	i.Typed = made
	r.compiled(made)
}
