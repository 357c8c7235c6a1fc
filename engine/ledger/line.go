package ledger

import "container/heap"

// line is a heap of waiting entries: the highest priority first, then the oldest, then by UID so
// that the order is the same in every run.
type line []*entry

func (q line) Len() int           { return len(q) }
func (q line) Less(i, j int) bool { return q[i].ahead(q[j]) }
func (q line) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *line) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

// Pop implements heap.Interface.
func (q *line) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return e
}

// first in line, nil where nobody waits.
func (q line) first() *entry {
	if len(q) == 0 {
		return nil
	}
	return q[0]
}

func (q *line) remove(e *entry) { heap.Remove(q, e.index) }

func (q *line) add(e *entry) { heap.Push(q, e) }

func (e *entry) ahead(other *entry) bool {
	if e.Priority != other.Priority {
		return e.Priority > other.Priority
	}
	if !e.Created.Equal(other.Created) {
		return e.Created.Before(other.Created)
	}
	return e.UID < other.UID
}

// inLine orders entries by who is ahead.
func inLine(a, b *entry) int {
	switch {
	case a == b:
		return 0
	case a.ahead(b):
		return -1
	}
	return 1
}
