package rules

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// Names of the types that are no Facts.
const (
	fleetType     = "fleet"
	clockType     = "clock"
	variablesType = "variables"
)

// errUnstamped ends an expression that reads what no admission vouches for.
var errUnstamped = errors.New("no admission vouches for it")

// A field of the Facts, or of one of their parts, as rules see it.
type field struct {
	name string
	typ  *cel.Type
	// get reads it from a pointer to its part. What it gives is a CEL value where that saves a
	// conversion, and a map or list of strings as it is.
	get func(part any) (any, error)
}

// A part of the Facts, such as server: its type is called like the variable.
type part struct {
	name   string
	typ    *cel.Type
	fields map[string]*types.FieldType
	names  []string
}

// schema of the Facts: its parts by their names, made once from the tags of the structs.
var schema = makeSchema()

func makeSchema() map[string]*part {
	parts := map[string]*part{}
	facts := reflect.TypeFor[Facts]()
	for i := range facts.NumField() {
		tag := facts.Field(i).Tag.Get("cel")
		if facts.Field(i).Type.Kind() != reflect.Struct || facts.Field(i).Type == reflect.TypeFor[time.Time]() {
			continue
		}
		parts[tag] = makePart(tag, facts.Field(i).Type)
	}
	return parts
}

func makePart(name string, of reflect.Type) *part {
	p := &part{name: name, typ: cel.ObjectType(name), fields: map[string]*types.FieldType{}}
	for i := range of.NumField() {
		tag := of.Field(i).Tag.Get("cel")
		if tag == "-" {
			continue
		}
		f := makeField(tag, i, of.Field(i).Type)
		p.fields[tag] = &types.FieldType{Type: f.typ, IsSet: isSet, GetFrom: stamped(f.get)}
		p.names = append(p.names, tag)
	}
	slices.Sort(p.names)
	return p
}

// isSet: there is no absent field of Facts, only empty ones. An unstamped part is noted as read.
func isSet(of any) bool {
	if unstamped, ok := of.(*unvouched); ok {
		unstamped.read()
	}
	return true
}

// stamped refuses to read from what nobody vouches for.
func stamped(get func(any) (any, error)) func(any) (any, error) {
	return func(of any) (any, error) {
		if unstamped, ok := of.(*unvouched); ok {
			unstamped.read()
			return nil, errUnstamped
		}
		return get(of)
	}
}

func makeField(name string, i int, of reflect.Type) field {
	value := func(part any) reflect.Value { return reflect.ValueOf(part).Elem().Field(i) }
	switch of {
	case reflect.TypeFor[time.Time]():
		return field{name, cel.TimestampType, func(part any) (any, error) {
			return types.Timestamp{Time: timeOf(value(part).Interface().(time.Time))}, nil
		}}
	case reflect.TypeFor[time.Duration]():
		return field{name, cel.DurationType, func(part any) (any, error) {
			return types.Duration{Duration: time.Duration(value(part).Int())}, nil
		}}
	case reflect.TypeFor[map[string]string]():
		return field{name, cel.MapType(cel.StringType, cel.StringType), func(part any) (any, error) {
			return value(part).Interface(), nil
		}}
	case reflect.TypeFor[[]string]():
		return field{name, cel.ListType(cel.StringType), func(part any) (any, error) {
			return value(part).Interface(), nil
		}}
	}
	switch of.Kind() {
	case reflect.String:
		return field{name, cel.StringType, func(part any) (any, error) { return types.String(value(part).String()), nil }}
	case reflect.Bool:
		return field{name, cel.BoolType, func(part any) (any, error) { return types.Bool(value(part).Bool()), nil }}
	case reflect.Int64:
		return field{name, cel.IntType, func(part any) (any, error) { return types.Int(value(part).Int()), nil }}
	default:
	}
	panic(fmt.Sprintf("a field of the facts is a %v, which rules cannot read", of))
}

// timeOf gives what is zero as 1970, so that rules need not know of the year 1.
func timeOf(t time.Time) time.Time {
	if t.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return t.UTC()
}

// A thing is a part of the Facts where an expression uses it as a value of its own.
type thing struct {
	part *part
	of   any
}

func (t thing) ConvertToNative(reflect.Type) (any, error) {
	return nil, fmt.Errorf("%s is not a plain value", t.part.name)
}

func (t thing) ConvertToType(to ref.Type) ref.Val {
	switch to {
	case types.TypeType:
		return t.part.typ
	default:
		return types.NewErr("%s is not a %s", t.part.name, to.TypeName())
	}
}

func (t thing) Equal(other ref.Val) ref.Val {
	o, ok := other.(thing)
	return types.Bool(ok && o.of == t.of)
}

func (t thing) Type() ref.Type { return t.part.typ }
func (t thing) Value() any     { return t.of }

// Get a field, where the type was not known when the expression was compiled.
func (t thing) Get(name ref.Val) ref.Val {
	s, _ := name.(types.String)
	f, ok := t.part.fields[string(s)]
	if !ok {
		return types.NewErr("no such field: %s", s)
	}
	value, err := f.GetFrom(t.of)
	if err != nil {
		return types.WrapErr(err)
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// IsSet tells whether there is such a field, where the type was not known.
func (t thing) IsSet(name ref.Val) ref.Val {
	s, _ := name.(types.String)
	if _, ok := t.part.fields[string(s)]; !ok {
		return types.False
	}
	isSet(t.of)
	return types.True
}
