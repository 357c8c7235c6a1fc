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

// pop takes the first in line, nil where nobody waits.
func (q *line) pop() *entry {
	if q.Len() == 0 {
		return nil
	}
	e := heap.Pop(q).(*entry)
	e.queue = nil
	return e
}

func (e *entry) ahead(other *entry) bool {
	if e.Priority != other.Priority {
		return e.Priority > other.Priority
	}
	if !e.Created.Equal(other.Created) {
		return e.Created.Before(other.Created)
	}
	return e.UID < other.UID
}
