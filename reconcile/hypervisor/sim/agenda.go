package sim

import (
	"container/heap"
	"time"
)

// errand is something that happens at a time. It must check itself that it still applies.
type errand struct {
	at  time.Time
	seq int // first come, first served
	run func(*turn)
}

// agenda orders errands by time.
type agenda struct {
	errands errands
	seq     int
}

func (a *agenda) add(at time.Time, run func(*turn)) {
	a.seq++
	heap.Push(&a.errands, errand{at: at, seq: a.seq, run: run})
}

// next removes and returns the first errand that is due.
func (a *agenda) next(now time.Time) (errand, bool) {
	if at, ok := a.first(); !ok || at.After(now) {
		return errand{}, false
	}
	return heap.Pop(&a.errands).(errand), true
}

func (a *agenda) first() (time.Time, bool) {
	if len(a.errands) == 0 {
		return time.Time{}, false
	}
	return a.errands[0].at, true
}

// errands implements heap.Interface.
type errands []errand

func (e errands) Len() int { return len(e) }

func (e errands) Less(i, j int) bool {
	if !e[i].at.Equal(e[j].at) {
		return e[i].at.Before(e[j].at)
	}
	return e[i].seq < e[j].seq
}

func (e errands) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *errands) Push(x any)   { *e = append(*e, x.(errand)) }

func (e *errands) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1] = errand{}
	*e = old[:len(old)-1]
	return last
}
