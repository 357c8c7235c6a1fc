package ledger

import (
	"slices"
	"sort"
	"strings"
	"time"

	"stargate.io/stargate/policies/rules"
)

// counter counts one dimension that some policy asks for.
type counter struct {
	dimension rules.Dimension
	keys      []dimensionKey
	cells     map[string]*cell
}

// dimensionKey is one of the keys that a dimension counts by.
type dimensionKey struct {
	kind  keyKind
	label string
}

type keyKind int8

const (
	byLabel keyKind = iota
	byDatacenter
	byNamespace
	byGroup
	byOperation
)

// cell is the count of one combination of values.
type cell struct {
	counter *counter
	values  string
	count   int64
	// ends of failed Operations, the earliest first.
	ends []time.Time
	// thresholds are those who wait for the count to reach a number.
	thresholds []*class
	// readers wait for a rule that asks several things: any change may free them.
	readers []*entry
	// delta is what a change of a server makes of the count.
	delta int64
}

func newCounter(dimension rules.Dimension) *counter {
	c := &counter{dimension: dimension, cells: map[string]*cell{}}
	if dimension.Keys == "" {
		return c
	}
	for name := range strings.SplitSeq(dimension.Keys, ",") {
		key := dimensionKey{label: name}
		switch name {
		case "datacenter":
			key.kind = byDatacenter
		case "namespace":
			key.kind = byNamespace
		case "group":
			key.kind = byGroup
		case "operation":
			key.kind = byOperation
		default:
			key.label = strings.TrimPrefix(name, "label:")
		}
		c.keys = append(c.keys, key)
	}
	return c
}

func (k dimensionKey) of(m *Machine, action string) string {
	switch k.kind {
	case byDatacenter:
		return m.Datacenter
	case byNamespace:
		namespace, _, _ := strings.Cut(string(m.Key), "/")
		return namespace
	case byGroup:
		return m.Group
	case byOperation:
		return action
	case byLabel:
	}
	return m.Labels[k.label]
}

// values of the keys, as a question has them.
func (c *counter) values(m *Machine, action string) string {
	switch len(c.keys) {
	case 0:
		return ""
	case 1:
		return c.keys[0].of(m, action)
	}
	var joined strings.Builder
	for i, key := range c.keys {
		if i > 0 {
			joined.WriteByte(0)
		}
		joined.WriteString(key.of(m, action))
	}
	return joined.String()
}

// matches tells whether a server, or an Operation on it, counts for these values.
func (c *counter) matches(m *Machine, action, values string) bool {
	for i, key := range c.keys {
		value := values
		if i < len(c.keys)-1 {
			var more bool
			if value, values, more = strings.Cut(values, "\x00"); !more {
				return false
			}
		}
		if value != key.of(m, action) {
			return false
		}
	}
	return true
}

func (c *counter) cell(values string) *cell {
	found := c.cells[values]
	if found == nil {
		found = &cell{counter: c, values: values}
		c.cells[values] = found
	}
	return found
}

// tidy forgets a cell that counts nothing and that nobody waits for.
func (c *cell) tidy() {
	if c.count == 0 && len(c.ends) == 0 && len(c.thresholds) == 0 && len(c.readers) == 0 {
		delete(c.counter.cells, c.values)
	}
}

// within counts the failures of the time before now, and says when the first of them is past.
func (c *cell) within(span time.Duration, now time.Time) (int64, time.Time) {
	from := now.Add(-span)
	first := sort.Search(len(c.ends), func(i int) bool { return c.ends[i].After(from) })
	if first == len(c.ends) {
		return 0, time.Time{}
	}
	return int64(len(c.ends) - first), c.ends[first].Add(span)
}

func (c *cell) addEnd(at time.Time) {
	i := sort.Search(len(c.ends), func(i int) bool { return c.ends[i].After(at) })
	c.ends = slices.Insert(c.ends, i, at)
}

func (c *cell) dropEnd(at time.Time) {
	i := sort.Search(len(c.ends), func(i int) bool { return !c.ends[i].Before(at) })
	if i < len(c.ends) && c.ends[i].Equal(at) {
		c.ends = slices.Delete(c.ends, i, i+1)
	}
}

// tally lists the cells that a server, and the Operations on it, count in now.
func (l *Ledger) tally(m *machine, into []*cell) []*cell {
	for _, c := range l.counters {
		into = c.tally(m, into)
	}
	return into
}

func (c *counter) tally(m *machine, into []*cell) []*cell {
	switch c.dimension.Kind {
	case rules.Total:
		if m.known {
			into = append(into, c.cell(c.values(&m.Machine, "")))
		}
	case rules.Unavailable:
		if m.unavailable() {
			into = append(into, c.cell(c.values(&m.Machine, "")))
		}
	case rules.Active:
		for _, e := range m.entries {
			if e.reserved {
				into = append(into, c.cell(c.values(&m.Machine, e.Action)))
			}
		}
	case rules.Failed:
	}
	return into
}

// shift makes a change to a server, or to the Operations on it, and moves the counts with it. Who
// waits for a count that moved is looked at by seat.
func (l *Ledger) shift(m *machine, change func()) {
	before := l.tally(m, l.before[:0])
	change()
	after := l.tally(m, l.after[:0])
	for _, c := range before {
		c.delta--
	}
	for _, c := range after {
		c.delta++
	}
	for _, c := range before {
		l.moved(c)
	}
	for _, c := range after {
		l.moved(c)
	}
	l.before, l.after = before, after
}

// moved takes a change of a count in.
func (l *Ledger) moved(c *cell) {
	if c.delta == 0 {
		c.tidy()
		return
	}
	c.count += c.delta
	c.delta = 0
	l.stir(c)
	c.tidy()
}

// stir puts those who wait for a count on the list of whom to look at.
func (l *Ledger) stir(c *cell) {
	for _, each := range c.thresholds {
		l.trigger(each)
	}
	for _, e := range c.readers {
		l.later(e)
	}
}
