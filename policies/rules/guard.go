package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/functions"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// What a call costs is known to cel only after it. Of most that is soon enough; what can make much of
// little, or compare everything with everything, is looked at before. The bounds are far above what a
// rule is for.
var guards = map[string]func(args []ref.Val) error{
	"_+_":             func(a []ref.Val) error { return room(a[0], sizeOf(a[0])+sizeOf(a[1])) },
	"strings.quote":   func(a []ref.Val) error { return room(a[0], 2*sizeOf(a[0])) },
	"replace":         replaces,
	"split":           splits,
	"join":            texts,
	"format":          texts,
	"indexOf":         compares,
	"lastIndexOf":     compares,
	"distinct":        compares,
	"flatten":         compares,
	"sets.contains":   compares,
	"sets.equivalent": compares,
	"sets.intersects": compares,
	"_==_":            compares,
	"_!=_":            compares,
	"@in":             compares,
	"find":            pattern,
	"findAll":         pattern,
	"matches":         pattern,
	"quantity":        quantity,
	"isQuantity":      quantity,
}

var (
	errLongText = fmt.Errorf("a text would be longer than %d bytes: make it shorter", MaxText)
	errLongList = fmt.Errorf("a list would have more than %d items: make it shorter", MaxItems)
	errDeep     = fmt.Errorf("more than %d values would be compared: compare less", maxCompared)
	errQuantity = errors.New("it is no quantity, or one of more than two digits in its exponent")
	errPattern  = fmt.Errorf("a pattern is longer than %d bytes: make it shorter", maxPattern)
)

const (
	// maxCompared values in one call.
	maxCompared = 10_000
	// maxPattern that is not written out, in bytes.
	maxPattern = 512
)

// guarded calls, where the types of what they get make one needed.
func guarded(checked *cel.Ast, bindings map[string]*functions.Overload) interpreter.InterpretableDecoratorV2 {
	kinds := checked.NativeRep().TypeMap()
	return func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		call, ok := i.(interpreter.InterpretableCall)
		if !ok {
			return i, nil
		}
		guard, ok := guards[call.Function()]
		if !ok || !grows(call, kinds) {
			return i, nil
		}
		run, err := implementation(call, bindings)
		if err != nil {
			return nil, err
		}
		return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), func(args ...ref.Val) ref.Val {
			if err := guard(args); err != nil {
				return types.WrapErr(err)
			}
			return run(args...)
		}), nil
	}
}

// grows tells whether a call needs its guard: sums and comparisons of what is small do not.
func grows(call interpreter.InterpretableCall, kinds map[int64]*cel.Type) bool {
	switch call.Function() {
	case "_+_":
		for _, arg := range call.Args() {
			switch kindOf(arg, kinds) {
			case types.IntKind, types.UintKind, types.DoubleKind, types.DurationKind, types.TimestampKind:
				return false
			default:
			}
		}
	case "_==_", "_!=_", "@in":
		for _, arg := range call.Args() {
			if t := kinds[arg.ID()]; t != nil && !nests(t) {
				return false
			}
		}
	}
	return true
}

func kindOf(arg interpreter.InterpretableV2, kinds map[int64]*cel.Type) types.Kind {
	if t := kinds[arg.ID()]; t != nil {
		return t.Kind()
	}
	return types.DynKind
}

// nests tells whether values of a type may hold others that hold others.
func nests(t *cel.Type) bool {
	if kind := t.Kind(); kind == types.ListKind || kind == types.MapKind {
		return holds(t.Parameters()[len(t.Parameters())-1])
	}
	return holds(t)
}

func holds(t *cel.Type) bool {
	switch t.Kind() {
	case types.ListKind, types.MapKind, types.DynKind, types.AnyKind, types.OpaqueKind, types.TypeParamKind:
		return true
	default:
		return false
	}
}

// implementation of a call, as it is without a guard.
func implementation(call interpreter.InterpretableCall, bindings map[string]*functions.Overload) (functions.FunctionOp, error) {
	switch call.Function() {
	case "_==_":
		return func(args ...ref.Val) ref.Val { return types.Equal(args[0], args[1]) }, nil
	case "_!=_":
		return func(args ...ref.Val) ref.Val { return types.Bool(types.Equal(args[0], args[1]) != types.True) }, nil
	}
	binding, ok := bindings[call.OverloadID()]
	if !ok {
		if binding, ok = bindings[call.Function()]; !ok {
			return nil, fmt.Errorf("there is no function %s", call.Function())
		}
	}
	return func(args ...ref.Val) ref.Val {
		switch {
		case binding.Unary != nil && len(args) == 1:
			return binding.Unary(args[0])
		case binding.Binary != nil && len(args) == 2:
			return binding.Binary(args[0], args[1])
		}
		return binding.Function(args...)
	}, nil
}

// bindingsOf an environment, by the ids of overloads and the names of functions.
func bindingsOf(env *cel.Env) (map[string]*functions.Overload, error) {
	all := map[string]*functions.Overload{}
	for name := range guards {
		function, ok := env.Functions()[name]
		if !ok {
			return nil, errors.New("there is no function " + name)
		}
		overloads, err := function.Bindings()
		if err != nil {
			return nil, fmt.Errorf("binding %s: %w", name, err)
		}
		for _, o := range overloads {
			all[o.Operator] = o
		}
	}
	return all, nil
}

// sizeOf a text in bytes, or of a list or map in items.
func sizeOf(v ref.Val) int {
	switch v := v.(type) {
	case types.String:
		return len(v)
	case types.Bytes:
		return len(v)
	case traits.Sizer:
		n, _ := v.Size().(types.Int)
		return int(n)
	}
	return 0
}

// room for a text, or for a list, of a size.
func room(like ref.Val, size int) error {
	switch like.(type) {
	case types.String, types.Bytes:
		if size > MaxText {
			return errLongText
		}
	default:
		if size > MaxItems {
			return errLongList
		}
	}
	return nil
}

// replaces may put something long for each of many short.
func replaces(a []ref.Val) error {
	text, old, by := textOf(a[0]), textOf(a[1]), textOf(a[2])
	n := strings.Count(text, old)
	if len(a) > 3 {
		if most, ok := a[3].(types.Int); ok && most >= 0 {
			n = min(n, int(most))
		}
	}
	return room(a[0], len(text)+n*max(0, len(by)-len(old)))
}

// splits may make an item of each byte.
func splits(a []ref.Val) error {
	return room(types.NewStringList(types.DefaultTypeAdapter, nil), strings.Count(textOf(a[0]), textOf(a[1]))+1)
}

// texts that are put together, however they are nested.
func texts(a []ref.Val) error {
	separator, left := 0, MaxText
	if len(a) > 1 {
		separator = sizeOf(a[1])
		if _, isList := a[1].(traits.Lister); isList {
			separator = 0 // Of format, it is what is put in.
		}
	}
	for _, v := range a {
		if left = spend(v, left, separator+1); left < 0 {
			return errLongText
		}
	}
	return nil
}

// compares everything that is within its arguments, at worst.
func compares(a []ref.Val) error {
	left := maxCompared
	for _, v := range a {
		if left = spend(v, left, 1); left < 0 {
			return errDeep
		}
	}
	return nil
}

// spend what a value weighs: each item something, and each text its length. It stops where nothing is
// left, since what a list holds often may be without end.
func spend(v ref.Val, left, item int) int {
	switch v := v.(type) {
	case types.String:
		return left - len(v)
	case types.Bytes:
		return left - len(v)
	case traits.Mapper:
		for i := v.Iterator(); left >= 0 && i.HasNext() == types.True; {
			key := i.Next()
			left = spend(v.Get(key), spend(key, left, item), item)
		}
	case traits.Lister:
		left -= sizeOf(v) * item
		for i := v.Iterator(); left >= 0 && i.HasNext() == types.True; {
			left = spend(i.Next(), left, item)
		}
	case *types.Optional:
		if v.HasValue() {
			return spend(v.GetValue(), left, item)
		}
	}
	return left - item
}

// pattern that is looked for, which becomes a program each time.
func pattern(a []ref.Val) error {
	if len(a) > 1 && sizeOf(a[1]) > maxPattern {
		return errPattern
	}
	return nil
}

// quantity with an exponent that is not huge: comparing 1e999999999 with 1 takes for ever.
func quantity(a []ref.Val) error {
	text := textOf(a[0])
	if e := strings.LastIndexAny(text, "eE"); len(text) > 64 || e >= 0 && len(strings.TrimLeft(text[e+1:], "+-0")) > 2 {
		return errQuantity
	}
	return nil
}
