package tree

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// foreignFields of the kinds of Kubernetes itself that a commit may hold.
var foreignFields = map[string][]string{
	"Namespace": {},
	"ConfigMap": {"data", "binaryData", "immutable"},
	"Secret":    {"data", "stringData", "type", "immutable"},
}

// secretTypes and the keys that the API server asks of them.
var secretTypes = map[string][]string{
	"kubernetes.io/tls":              {"tls.crt", "tls.key"},
	"kubernetes.io/ssh-auth":         {"ssh-privatekey"},
	"kubernetes.io/dockercfg":        {".dockercfg"},
	"kubernetes.io/dockerconfigjson": {".dockerconfigjson"},
}

// foreign checks an object of Kubernetes' own kinds. What a Secret holds is in no message, nor what its keys are: a
// slip of the hand makes a key of a password.
func (r *reading) foreign() {
	withoutNulls(r.object)
	r.names()
	fields := foreignFields[r.kind.name]
	for _, key := range keysOf(r.object) {
		if slices.Contains([]string{"apiVersion", "kind", "metadata"}, key) || slices.Contains(fields, key) {
			continue
		}
		message, mend := "unknown field of a "+r.kind.name, "use "+strings.Join(append([]string{"metadata"}, fields...), ", ")
		if r.kind.name != "Secret" { // where the key itself might be what is secret
			message += ": " + quoted(key)
		}
		r.hidden(key, message, didYouMean(key, fields, mend))
	}
	if immutable, has := r.object["immutable"]; has {
		if _, is := immutable.(bool); !is {
			r.problem("immutable", "immutable is "+kindOf(immutable)+" where true or false is needed", "write true or false")
		}
	}
	seen := map[string]bool{}
	for _, field := range []string{"data", "stringData", "binaryData"} {
		if slices.Contains(fields, field) {
			r.data(field, seen)
		}
	}
	if r.kind.name == "Secret" {
		r.secretType(seen)
	}
}

// data of a ConfigMap or Secret.
func (r *reading) data(field string, seen map[string]bool) {
	value, has := r.object[field]
	entries, ok := value.(map[string]any)
	if !has {
		return
	}
	if !ok {
		r.hidden(field, field+" is "+kindOf(value)+" where an object is needed", "write one 'key: value' a line below it")
		return
	}
	encoded := field == "binaryData" || field == "data" && r.kind.name == "Secret"
	for _, key := range keysOf(entries) {
		at := field + "[" + key + "]"
		text, isText := entries[key].(string)
		switch {
		case len(validation.IsConfigMapKey(key)) > 0:
			r.hidden(at, "a key of "+field+" is not one: letters, digits, '-', '_' and '.' only", "rename the key")
		case !isText:
			r.hidden(at, "a value of "+field+" is "+kindOf(entries[key])+" where text is needed", "put the value in quotes")
		case encoded && !isBase64(text):
			r.hidden(at, "a value of "+field+" is not base64", "encode it with `base64 -w0`"+plainText(r.kind.name))
		case seen[key] && r.kind.name == "ConfigMap":
			r.hidden(at, "a key stands in data and in binaryData", "remove one of the two")
		}
		seen[key] = true
	}
}

func plainText(kind string) string {
	if kind == "Secret" {
		return ", or write it as it is under stringData"
	}
	return ", or write it as it is under data"
}

func isBase64(text string) bool {
	_, err := base64.StdEncoding.DecodeString(text)
	return err == nil
}

// secretType holds what the API server asks of the type, and refuses those that make the cluster give out credentials.
func (r *reading) secretType(seen map[string]bool) {
	value, has := r.object["type"]
	if !has {
		return
	}
	name, text := value.(string)
	if !text {
		r.hidden("type", "type is "+kindOf(value)+" where text is needed", "put it in quotes")
		return
	}
	switch name {
	case "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token":
		r.hidden("type", "Secrets of this type give access to the cluster itself", "use Opaque")
	case "kubernetes.io/basic-auth":
		if !seen["username"] && !seen["password"] {
			r.hidden("type", "a Secret of this type needs the key username or password", "add it, or leave the type out")
		}
	}
	for _, key := range secretTypes[name] {
		if !seen[key] {
			r.hidden("type", fmt.Sprintf("a Secret of type %s needs the key %s", name, key), "add it, or leave the type out")
		}
	}
}

// hidden is a problem whose field, which may name what is secret, is told without its last part.
func (r *reading) hidden(field, message, mend string) {
	r.problem(field, message, mend)
	last := &r.problems[len(r.problems)-1]
	last.Field, _, _ = strings.Cut(field, "[")
	if !slices.Contains(foreignFields[r.kind.name], last.Field) {
		last.Field = ""
	}
}
