package ruletest

import (
	"reflect"
	"time"

	"go.yaml.in/yaml/v3"

	"stargate.io/stargate/policies/rules"
)

// facts of a case, over the defaults, by the names that rules use.
func (r *reader) facts(n *yaml.Node, facts *rules.Facts) {
	r.structure(n, reflect.ValueOf(facts).Elem())
}

// structure fills a struct by the cel tags of its fields.
func (r *reader) structure(n *yaml.Node, into reflect.Value) {
	known := map[string]func(*yaml.Node){}
	for i := range into.NumField() {
		field, tag := into.Field(i), into.Type().Field(i).Tag.Get("cel")
		if tag == "-" {
			tag = "stamped" // Rules cannot ask for it, but a case can say that it is not.
		}
		known[tag] = func(n *yaml.Node) { r.value(n, field) }
	}
	r.fields(n, known)
}

func (r *reader) value(n *yaml.Node, into reflect.Value) {
	switch into.Interface().(type) {
	case time.Time:
		into.Set(reflect.ValueOf(r.time(n)))
		return
	case time.Duration:
		into.Set(reflect.ValueOf(r.duration(n)))
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		r.structure(n, into)
	case reflect.String:
		into.SetString(r.text(n))
	case reflect.Bool:
		into.SetBool(r.boolean(n))
	case reflect.Int64:
		var number int64
		if err := n.Decode(&number); err != nil {
			r.wrong(n, "%q is no whole number", n.Value)
		}
		into.SetInt(number)
	case reflect.Slice:
		into.Set(reflect.ValueOf(r.strings(n)))
	case reflect.Map:
		texts := map[string]string{}
		r.entries(n, func(key, value *yaml.Node) { texts[key.Value] = r.text(value) })
		into.Set(reflect.ValueOf(texts))
	default:
		r.wrong(n, "this cannot be given")
	}
}
