package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// The most of a value that is shown.
const (
	shownText  = 120
	shownItems = 8
	shownDepth = 4
)

// show a value as the language writes it, cut to what a person reads.
func show(v ref.Val) string { return showDeep(v, 0) }

func showDeep(v ref.Val, depth int) string {
	switch v := v.(type) {
	case nil:
		return "–"
	case *types.Optional:
		if !v.HasValue() {
			return "none"
		}
		return showDeep(v.GetValue(), depth)
	case *types.Err:
		return "error: " + cut(plain(v.Error()), shownText)
	case thing:
		return v.part.name
	case *types.Type:
		return plain(v.TypeName())
	case traits.Mapper:
		return showMap(v, depth)
	case traits.Lister:
		return showList(v, depth)
	}
	return showPlain(v)
}

// showPlain shows what holds no other values.
func showPlain(v ref.Val) string {
	switch v := v.(type) {
	case types.String:
		return strconv.Quote(cut(string(v), shownText))
	case types.Bytes:
		return fmt.Sprintf("%d bytes", len(v))
	case types.Bool, types.Int, types.Uint:
		return fmt.Sprint(v.Value())
	case types.Double:
		return strconv.FormatFloat(float64(v), 'g', -1, 64)
	case types.Timestamp:
		return instant(v.Time)
	case types.Duration:
		return short(v.Duration)
	case types.Null:
		return "null"
	}
	return v.Type().TypeName()
}

func showMap(m traits.Mapper, depth int) string {
	n, _ := m.Size().(types.Int)
	if depth >= shownDepth || n > 1000 {
		return fmt.Sprintf("{… %d keys}", n)
	}
	var entries []string
	for i := m.Iterator(); i.HasNext() == types.True; {
		key := i.Next()
		entries = append(entries, showDeep(key, depth+1)+": "+showDeep(m.Get(key), depth+1))
	}
	slices.Sort(entries)
	return "{" + several(entries, len(entries)) + "}"
}

func showList(l traits.Lister, depth int) string {
	n, _ := l.Size().(types.Int)
	if depth >= shownDepth {
		return fmt.Sprintf("[… %d items]", n)
	}
	var items []string
	for i := types.Int(0); i < min(n, shownItems); i++ {
		items = append(items, showDeep(l.Get(i), depth+1))
	}
	return "[" + several(items, int(n)) + "]"
}

func several(shown []string, all int) string {
	if all <= shownItems {
		return strings.Join(shown, ", ")
	}
	return fmt.Sprintf("%s, … %d in all", strings.Join(shown[:shownItems], ", "), all)
}
