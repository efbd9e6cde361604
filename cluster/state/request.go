package state

import (
	"fmt"
	"time"
)

// What the record remembers of requests.
const (
	maxRequests  = 1000
	keepRequests = 24 * time.Hour // of replicated time
)

// Request is a write that took effect. The same request once more, because its answer was lost, is answered
// with it.
type Request struct {
	ID       string    `json:"id"`
	Digest   string    `json:"digest"` // of the approved plan: another one under this id is a mistake
	At       time.Time `json:"at"`
	Index    uint64    `json:"index"`
	Revision uint64    `json:"revision"` // in force then
}

// RequestByID returns a request that took effect lately.
func (st State) RequestByID(id string) (*Request, bool) {
	key, ok := st.index.requests.Get(id)
	if !ok {
		return nil, false
	}
	return st.Requests.Get(key)
}

// OperationsOf returns the ids of the operations that a request caused and that the record still has.
func (st State) OperationsOf(request string) []string {
	var ids []string
	for id, op := range st.Operations.All() {
		if op.Request == request {
			ids = append(ids, id)
		}
	}
	return ids
}

// again finds out whether an approval took effect before.
func (t *transition) again(c *Approve) (*Request, *Refusal) {
	if t.Level < LevelServed || c.Request == "" {
		return nil, nil
	}
	first, ok := t.RequestByID(c.Request)
	if !ok {
		return nil, nil
	}
	if first.Digest != c.PlanDigest {
		return nil, refuse(Invalid, "request %s approved another plan before; a new approval needs a request id of its own", c.Request)
	}
	return first, nil
}

// remember notes that an approval took effect and forgets the oldest ones.
func (t *transition) remember(c *Approve) {
	if t.Level < LevelServed || c.Request == "" {
		return
	}
	t.setRequest(&Request{ID: c.Request, Digest: c.PlanDigest, At: t.Time, Index: t.Index, Revision: t.Revision})
	before := t.Time.Add(-keepRequests)
	for t.Requests.Len() > 0 {
		key, oldest := t.Requests.first()
		if t.Requests.Len() <= maxRequests && !oldest.At.Before(before) {
			return
		}
		t.Requests = t.Requests.Without(key)
		t.index.requests = t.index.requests.Without(oldest.ID)
	}
}

func (t *transition) setRequest(r *Request) {
	key := fmt.Sprintf("%020d", r.Index)
	t.Requests = t.Requests.With(key, r)
	t.index.requests = t.index.requests.With(r.ID, key)
}
