package reconcile

import (
	"container/heap"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// queue holds the operations that are not finished, and knows which can be tried. Only the loop uses
// it. Each change costs about as much as it touches: nothing in it looks at all operations but
// scan.
type queue struct {
	items      map[string]*item
	dependents map[string][]string // what comes after an operation
	ready      readyHeap
	refused    map[spec.Address]map[string]bool // by host, block or instance: what it may be held back by
	held       map[string]bool                  // all that the record refused to start for now
	running    int
	parked     int
}

// item is one operation in the queue.
type item struct {
	op      *state.Operation
	waits   int // operations that must be done before
	status  status
	resumed bool   // it was begun before: by an earlier epoch, or parked
	why     string // of the last refusal
}

type status int

const (
	waiting status = iota // for others
	ready                 // to be tried
	held                  // refused for now
	running
	parked // a host says nothing
)

func newQueue() *queue {
	return &queue{
		items: map[string]*item{}, dependents: map[string][]string{},
		refused: map[spec.Address]map[string]bool{}, held: map[string]bool{},
	}
}

// scan takes in what is new in the record, and drops what was withdrawn. It reports whether there was
// any.
func (q *queue) scan(st state.State) (changed bool) {
	for id, op := range st.Operations.All() {
		it := q.items[id]
		switch {
		case op.Phase.Final():
			if it != nil && it.status != running {
				q.drop(id)
				changed = true
			}
		case it == nil:
			q.add(st, op)
			changed = true
		}
	}
	return changed
}

func (q *queue) add(st state.State, op *state.Operation) {
	it := &item{op: op, resumed: op.Phase != state.Pending}
	q.items[op.ID] = it
	for _, before := range op.After {
		if b, ok := st.Operations.Get(before); ok && b.Phase != state.Done && !it.resumed {
			it.waits++
			q.dependents[before] = append(q.dependents[before], op.ID)
		}
	}
	if it.waits == 0 {
		q.makeReady(it)
	}
}

func (q *queue) makeReady(it *item) {
	it.status = ready
	heap.Push(&q.ready, it)
}

// next takes the first operation that can be tried; nil when there is none.
func (q *queue) next() *item {
	for q.ready.Len() > 0 {
		it := heap.Pop(&q.ready).(*item)
		if q.items[it.op.ID] == it && it.status == ready {
			it.status = running
			q.running++
			return it
		}
	}
	return nil
}

// done takes a finished operation out and lets go on what waited for it. It returns the operations
// that ended with it.
func (q *queue) done(st state.State, it *item) []*state.Operation {
	q.running--
	q.release(it)
	return q.finish(st, it.op.ID)
}

func (q *queue) finish(st state.State, id string) []*state.Operation {
	delete(q.items, id)
	op, _ := st.Operations.Get(id)
	var ended []*state.Operation
	for _, after := range q.dependents[id] {
		it := q.items[after]
		if it == nil || it.status != waiting {
			continue
		}
		now, ok := st.Operations.Get(after)
		switch {
		case !ok || now.Phase.Final():
			if ok {
				ended = append(ended, now)
			}
			ended = append(ended, q.finish(st, after)...)
		case op == nil || op.Phase == state.Done:
			if it.waits--; it.waits == 0 {
				q.makeReady(it)
			}
		}
	}
	delete(q.dependents, id)
	return ended
}

// hold puts aside what the record refused to start for now. It is tried again when something ends
// that it may be held back by.
func (q *queue) hold(it *item) {
	q.running--
	it.status = held
	q.held[it.op.ID] = true
	for _, key := range keysOf(it.op) {
		if q.refused[key] == nil {
			q.refused[key] = map[string]bool{}
		}
		q.refused[key][it.op.ID] = true
	}
}

// park puts aside what waits for a host that says nothing.
func (q *queue) park(it *item) {
	q.running--
	q.parked++
	it.status, it.resumed = parked, true
}

// retryParked makes parked operations ready again.
func (q *queue) retryParked() {
	for _, it := range q.items {
		if it.status == parked {
			q.parked--
			q.makeReady(it)
		}
	}
}

// someHeld is how many of those held back elsewhere are tried again when anything ends: a limit on
// the total may have held them.
const someHeld = 4

// release tries again what may have been held back by it.
func (q *queue) release(it *item) {
	for _, key := range keysOf(it.op) {
		for id := range q.refused[key] {
			q.unhold(id)
		}
	}
	n := 0
	for id := range q.held {
		if n++; n > someHeld {
			break
		}
		q.unhold(id)
	}
}

// releaseAll tries everything again.
func (q *queue) releaseAll() {
	for id := range q.held {
		q.unhold(id)
	}
}

func (q *queue) unhold(id string) {
	delete(q.held, id)
	it := q.items[id]
	if it == nil || it.status != held {
		return
	}
	for _, key := range keysOf(it.op) {
		delete(q.refused[key], id)
		if len(q.refused[key]) == 0 {
			delete(q.refused, key)
		}
	}
	q.makeReady(it)
}

// drop forgets an operation that ended without us.
func (q *queue) drop(id string) {
	it := q.items[id]
	if it.status == parked {
		q.parked--
	}
	delete(q.held, id)
	for _, key := range keysOf(it.op) {
		delete(q.refused[key], id)
	}
	delete(q.items, id)
}

// keysOf lists what an operation shares with others that may hold it back.
func keysOf(op *state.Operation) []spec.Address {
	var keys []spec.Address
	for _, key := range []spec.Address{op.From, op.To, op.Block, op.Instance} {
		if key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// readyHeap orders what can be tried: what was begun before goes first, then as planned.
type readyHeap []*item

func (h readyHeap) Len() int { return len(h) }

func (h readyHeap) Less(i, j int) bool {
	if h[i].resumed != h[j].resumed {
		return h[i].resumed
	}
	return state.CompareIDs(h[i].op.ID, h[j].op.ID) < 0
}

func (h readyHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *readyHeap) Push(x any)   { *h = append(*h, x.(*item)) }

func (h *readyHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
