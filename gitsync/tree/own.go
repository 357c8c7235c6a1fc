package tree

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// own checks an object of our kinds, field by field, as the API server will.
func (r *reading) own() {
	r.inline()
	r.inherit()
	r.full = r.object
	if r.options.Schemas == nil {
		return
	}
	s := r.options.Schemas.kinds[r.kind.name]
	if s == nil {
		r.problem("kind", "there is no schema of "+r.kind.name, "install the kinds: stargate install")
		return
	}
	r.names()
	r.full = runtime.DeepCopyJSON(r.object)
	r.fields(s)
	withoutNulls(r.object)
}

// fields of the copy that will be typed: unknown ones, missing ones, wrong ones.
func (r *reading) fields(s *schemaOf) {
	for _, path := range s.unknown(r.full) {
		parent, name := parentOf(path)
		r.problem(path, "unknown field "+quoted(path), didYouMean(name, propertiesAt(s.structural, parent), "remove it, or look at `kubectl explain "+strings.ToLower(r.kind.name)+"`"))
	}
	withoutNulls(r.full)
	s.complete(r.full)
	for _, err := range s.validate(r.full) {
		r.invalid(s.structural, err)
	}
}

// names of the object, its labels and its annotations, as the API server takes them.
func (r *reading) names() {
	raw, _ := r.object["metadata"].(map[string]any)
	if raw == nil {
		return
	}
	meta := &metav1.ObjectMeta{
		Name: stringOf(raw["name"]), Namespace: stringOf(raw["namespace"]),
		Labels: texts(raw["labels"]), Annotations: texts(raw["annotations"]),
	}
	namespaced := r.kind.namespaced && meta.Namespace != "" // its absence is told elsewhere
	check := apivalidation.NameIsDNSSubdomain
	if r.kind.name == "Namespace" {
		check = apivalidation.ValidateNamespaceName
	}
	if !namespaced {
		meta.Namespace = ""
	}
	for _, err := range apivalidation.ValidateObjectMeta(meta, namespaced, check, field.NewPath("metadata")) {
		if err.Type == field.ErrorTypeRequired {
			continue // told by metadata
		}
		at := err.Field
		if key, ok := err.BadValue.(string); ok && (at == "metadata.labels" || at == "metadata.annotations") {
			at += "[" + key + "]"
		}
		message, _, _ := strings.Cut(err.Detail, " (e.g.")
		r.problem(at, err.Field+": "+message, "change it as the message says")
	}
}

func texts(v any) map[string]string {
	raw, _ := v.(map[string]any)
	all := make(map[string]string, len(raw))
	for key, value := range raw {
		all[key] = stringOf(value)
	}
	return all
}

// withoutNulls drops keys without a value: nothing was said.
func withoutNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if value == nil {
				delete(v, key)
				continue
			}
			withoutNulls(value)
		}
	case []any:
		for _, value := range v {
			withoutNulls(value)
		}
	}
}

// invalid tells of a field that the schema does not take.
func (r *reading) invalid(s *structural.Structural, err *field.Error) {
	path := strings.TrimPrefix(err.Field, ".")
	if path == "<nil>" {
		path = ""
	}
	at := schemaAt(s, path)
	message, mend := path+": "+detail(err), ""
	switch err.Type {
	case field.ErrorTypeRequired:
		_, name := parentOf(path)
		message, mend = path+" is missing", "add "+name+described(at)
	case field.ErrorTypeTypeInvalid:
		if at != nil {
			r.wrongType(path, err.BadValue, at)
			return
		}
	case field.ErrorTypeNotSupported:
		options := enumOf(at)
		message = path + " is " + short(err.BadValue) + ", and may be " + strings.Join(options, ", ")
		mend = didYouMean(stringOf(err.BadValue), options, "use one of those")
	case field.ErrorTypeDuplicate:
		message, mend = path+" stands in the list twice", "remove one of the two"
	default:
		if value := short(err.BadValue); value != "" {
			message += ", not " + value
		}
	}
	if mend == "" {
		mend = "correct it" + described(at)
	}
	r.problem(path, message, mend)
}

// wrongType tells which type a field needs, and of words and numbers that were meant as text, how to say so.
func (r *reading) wrongType(path string, value any, at *structural.Structural) {
	need := map[string]string{"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false", "array": "a list", "object": "an object"}[at.Type]
	actual := r.valueAt(path, value)
	if at.Type == "string" {
		if _, list := actual.([]any); !list && actual != nil {
			if _, object := actual.(map[string]any); !object {
				r.notText(path, actual)
				return
			}
		}
	}
	if need == "" {
		need = "a number or text"
	}
	r.problem(path, path+" is "+kindOf(actual)+" where "+need+" is needed", "correct it"+described(at))
}

// valueAt the path; the error itself may hold only the type's name.
func (r *reading) valueAt(path string, otherwise any) any {
	if at, found := r.walk(path); found {
		return at
	}
	return otherwise
}

// walk gives the value at a path of plain keys and indexes.
func (r *reading) walk(path string) (any, bool) {
	var at any = r.full
	for _, part := range strings.FieldsFunc(path, func(c rune) bool { return c == '.' || c == '[' || c == ']' }) {
		switch v := at.(type) {
		case map[string]any:
			next, has := v[part]
			if !has {
				return nil, false
			}
			at = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			at = v[i]
		default:
			return nil, false
		}
	}
	return at, true
}

// detail of an error, without the library's turns of phrase.
func detail(err *field.Error) string {
	text := strings.ReplaceAll(err.Detail, " in body", "")
	text = strings.TrimPrefix(text, strings.TrimPrefix(err.Field, ".")+" ")
	if text == "" {
		text = strings.ToLower(err.Type.String())
	}
	return text
}

// short form of a value; objects and lists have none.
func short(value any) string {
	switch v := value.(type) {
	case string:
		if v == "<value omitted>" {
			return ""
		}
		return quoted(v)
	case bool, int64, float64, int:
		return fmt.Sprint(v)
	}
	return ""
}

// parentOf a path, and the last part of it.
func parentOf(path string) (parent, name string) {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// schemaAt a path, or nil where it ends in what has none.
func schemaAt(s *structural.Structural, path string) *structural.Structural {
	for path != "" && s != nil {
		if strings.HasPrefix(path, "[") {
			_, rest, _ := strings.Cut(path, "]")
			path = strings.TrimPrefix(rest, ".")
			s = s.Items
			continue
		}
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		next, has := s.Properties[path[:end]]
		path = strings.TrimPrefix(path[end:], ".")
		switch {
		case has:
			s = &next
		case s.AdditionalProperties != nil:
			return s.AdditionalProperties.Structural
		default:
			return nil
		}
	}
	return s
}

func propertiesAt(s *structural.Structural, path string) []string {
	at := schemaAt(s, path)
	if at == nil {
		return nil
	}
	return keysOf(at.Properties)
}

func enumOf(s *structural.Structural) []string {
	if s == nil || s.ValueValidation == nil {
		return nil
	}
	var all []string
	for _, option := range s.ValueValidation.Enum {
		if text, ok := option.Object.(string); ok && text != "" {
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return all
}

// described is what the field's description says first.
func described(s *structural.Structural) string {
	if s == nil || s.Description == "" {
		return ""
	}
	text := strings.Join(strings.Fields(s.Description), " ")
	if end := strings.Index(text, ". "); end > 0 {
		text = text[:end]
	}
	return ": " + cut(strings.TrimSuffix(text, "."), 200)
}
