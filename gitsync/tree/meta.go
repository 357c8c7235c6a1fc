package tree

import (
	"slices"
	"strings"

	"stargate.io/stargate/api/v1alpha1"
)

// mayMeta are the fields of metadata that a commit may give.
var mayMeta = []string{"name", "namespace", "labels", "annotations"}

// notMeta are those that it may not, and what to do instead.
var notMeta = map[string]string{
	"generateName":               "give metadata.name: what is in a repository has a name of its own",
	"ownerReferences":            "remove it: the fleet is what keeps the object",
	"finalizers":                 "remove it: controllers set finalizers",
	"resourceVersion":            "remove it: the API server sets it",
	"uid":                        "remove it: the API server sets it",
	"creationTimestamp":          "remove it: the API server sets it",
	"deletionTimestamp":          "remove it, and the object from the repository if it should go",
	"deletionGracePeriodSeconds": "remove it: the API server sets it",
	"generation":                 "remove it: the API server sets it",
	"managedFields":              "remove it: the API server sets it",
	"selfLink":                   "remove it: the API server sets it",
}

// reservedDomain of labels and annotations that Stargate sets.
const reservedDomain = "stargate.io"

// mayReserved are keys of that domain which a commit may set all the same: words for people.
var mayReserved = []string{v1alpha1.AnnotationReason}

// metadata looks at what a commit may not say of an object.
func (r *reading) metadata() {
	meta, ok := r.object["metadata"].(map[string]any)
	if !ok {
		r.problem("metadata", "metadata is "+missingOr(r.object["metadata"]), "give metadata with at least a name")
		return
	}
	for _, key := range keysOf(meta) {
		switch mend, known := notMeta[key]; {
		case meta[key] == nil:
			delete(meta, key)
		case known:
			r.problem("metadata."+key, "metadata."+key+" is not for a repository to set", mend)
		case !slices.Contains(mayMeta, key):
			r.problem("metadata."+key, "unknown field "+quoted("metadata."+key), didYouMean(key, mayMeta, "remove it"))
		}
	}
	for _, key := range []string{"name", "namespace"} {
		if _, text := meta[key].(string); meta[key] != nil && !text {
			r.notText("metadata."+key, meta[key])
		}
	}
	if name, text := meta["name"].(string); name == "" && (text || meta["name"] == nil) {
		r.problem("metadata.name", "metadata.name is missing", "give the object a name")
	}
	r.reserved(meta, "labels")
	r.reserved(meta, "annotations")
}

// reserved labels and annotations are set by Stargate alone, and each holds text.
func (r *reading) reserved(meta map[string]any, field string) {
	path := "metadata." + field
	values, ok := meta[field].(map[string]any)
	if !ok {
		if meta[field] != nil {
			r.problem(path, path+" is "+kindOf(meta[field])+" where an object is needed", "write one 'key: value' a line below it")
			delete(meta, field)
		}
		return
	}
	for _, key := range keysOf(values) {
		at := path + "[" + key + "]"
		if _, text := values[key].(string); !text {
			r.notText(at, values[key])
			delete(values, key)
			continue
		}
		domain, _, _ := strings.Cut(key, "/")
		if (domain == reservedDomain || strings.HasSuffix(domain, "."+reservedDomain)) && !slices.Contains(mayReserved, key) {
			r.problem(at, quoted(key)+" is set by Stargate alone", "remove it, or use a domain of your own")
		}
	}
}

// notText tells of a value that YAML does not take for text.
func (r *reading) notText(path string, value any) {
	mend := "put the value in quotes"
	message := path + " is " + kindOf(value) + " where text is needed"
	if word := r.word(path); word != "" {
		message += ": YAML reads " + quoted(word) + " as a boolean"
	}
	r.problem(path, message, mend)
}

func missingOr(value any) string {
	if value == nil {
		return "missing"
	}
	return kindOf(value) + " where an object is needed"
}
