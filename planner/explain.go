package planner

import (
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
	"github.com/novaplan/novaplan/spec"
)

// Explanation says why an instance is where it is, or goes where it goes.
type Explanation struct {
	Address  spec.Address
	Host     spec.Address // where it is, "" when nowhere
	Change   *Change      // what the plan does to it, nil for nothing
	Unplaced *Unplaced    // why it can't be where it should be
	// Placement is where it goes; for an instance that stays, where it would go if it were placed now,
	// with every host's reason or weight.
	Placement *Placement
	Messages  []Message // errors and warnings about it
}

// Explain computes the plan and tells everything about one instance. It returns nil when neither the
// spec nor the record knows the address.
func Explain(st state.State, obs *Observed, now time.Time, o Options, address spec.Address) *Explanation {
	c := newComputation(st, obs, now, o)
	have, recorded := st.Instances.Get(string(address))
	want := c.index.Instances[address]
	if want == nil && !recorded {
		return nil
	}
	c.about = address
	plan := c.run()
	e := &Explanation{Address: address}
	for i := range plan.Changes {
		if plan.Changes[i].Address == address {
			e.Change, e.Placement = &plan.Changes[i], plan.Changes[i].Placement
		}
	}
	for i := range plan.Unplaced {
		if plan.Unplaced[i].Address == address {
			e.Unplaced, e.Placement = &plan.Unplaced[i], plan.Unplaced[i].Placement
		}
	}
	for _, list := range [][]Message{plan.Errors, plan.Warnings} {
		for _, m := range list {
			if m.Address == address {
				e.Messages = append(e.Messages, m)
			}
		}
	}
	if recorded {
		e.Host = have.Host
		if e.Placement == nil && want != nil {
			e.Placement = c.placeAgain(&record{have: have, want: want, host: c.hostAt[have.Host]})
		}
	}
	return e
}

// placeAgain ranks the hosts for an instance as if it were nowhere.
func (c *computation) placeAgain(r *record) *Placement {
	f, o := c.newFleet(), c.occupant(r.have)
	if r.host != nil {
		f.Remove(r.host.ordinal, o)
	}
	return c.policy.Rank(f, c.moveRequest(r), true)
}

// NextHost returns the best host for a create or migrate that failed where it was sent, leaving out
// every host that it was tried on: what Retarget names. It returns "" and why when there is none.
func NextHost(st state.State, obs *Observed, now time.Time, op *state.Operation) (spec.Address, *Placement) {
	c := newComputation(st, obs, now, Options{})
	c.lookAtHosts()
	c.lookAtWork()
	want := c.index.Instances[op.Instance]
	if want == nil || op.Unit != "" { // a group that moves as a whole goes nowhere else in parts
		return "", &placement.Placement{}
	}
	q := c.request(want)
	q.Size = op.Size
	have, recorded := st.Instances.Get(string(op.Instance))
	if recorded {
		q.Pool = have.Pool
	}
	q.Tried = append(append(q.Tried, op.Tried...), op.To)
	if op.Action == state.Migrate {
		q.Tried = append(q.Tried, op.From)
	}
	// The operation itself takes room in this picture, wherever it is running now.
	o := placement.Occupant{Instance: op.Instance, Group: want.Group, Size: op.Size, Pool: q.Pool}
	for _, at := range []int{c.ordinal(op.To), c.ordinal(op.From)} {
		if at >= 0 && c.fleet.On(op.Instance, at) {
			c.fleet.Remove(at, o)
		}
	}
	p := c.policy.Rank(c.fleet, q, false)
	return p.Host, p
}
