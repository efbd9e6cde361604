package planner

import (
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// lookAtWork takes up the operations that were approved and aren't finished. They are decided: their
// instances get no second operation. Pending ones that became wrong are withdrawn, and what they were
// about is decided again.
func (c *computation) lookAtWork() {
	var open []*state.Operation
	for _, op := range c.st.Operations.All() {
		if !op.Phase.Final() {
			open = append(open, op)
		}
	}
	slices.SortFunc(open, func(a, b *state.Operation) int { return state.CompareIDs(a.ID, b.ID) })
	withdrawn := c.withdraw(open)
	byID := map[string]*job{}
	for _, op := range open {
		if withdrawn[op.ID] {
			c.plan.Cancel = append(c.plan.Cancel, op.ID)
			continue
		}
		j := c.resume(op)
		byID[op.ID] = j
		for _, id := range op.After {
			if before := byID[id]; before != nil {
				j.after = append(j.after, before)
			}
		}
	}
}

// withdraw returns the pending operations that became wrong, and those that wait for them.
func (c *computation) withdraw(open []*state.Operation) map[string]bool {
	wrong := map[string]bool{}
	for _, op := range open {
		if op.Phase != state.Pending {
			continue
		}
		if c.wrong(op) || slices.ContainsFunc(op.After, func(id string) bool { return wrong[id] || c.neverDone(id) }) {
			wrong[op.ID] = true
		}
	}
	return wrong
}

// neverDone: what waits for that operation would wait for ever.
func (c *computation) neverDone(id string) bool {
	op, ok := c.st.Operations.Get(id)
	return ok && op.Phase.Final() && op.Phase != state.Done
}

// wrong reports whether a pending operation no longer serves what is wanted, or can't be carried out.
func (c *computation) wrong(op *state.Operation) bool {
	if op.Action == state.ClaimHost || op.Action == state.Unclaim {
		h := c.hostAt[op.To]
		return op.Action == state.ClaimHost && (h == nil || h.spec == nil)
	}
	want := c.index.Instances[op.Instance]
	switch op.Action {
	case state.Create:
		return want == nil || c.unfit(op.To)
	case state.Migrate:
		return want == nil || c.unfit(op.To) || op.Reason.Code == ReasonHostDrain && !c.draining(op.From)
	case state.Terminate, state.Forget:
		return want != nil
	case state.StartUp, state.Resume:
		return want == nil || want.State != spec.Running && want.State != ""
	case state.Stop:
		return want == nil || want.State != spec.Stopped
	case state.Pause:
		return want == nil || want.State != spec.Paused
	case state.Suspend:
		return want == nil || want.State != spec.Suspended
	}
	return want == nil
}

func (c *computation) unfit(to spec.Address) bool {
	h := c.hostAt[to]
	return h == nil || h.spec == nil || h.refusal != ""
}

func (c *computation) draining(from spec.Address) bool {
	h := c.hostAt[from]
	return h != nil && h.mode() == spec.ModeDrain
}

// resume takes up one operation: its line of the plan, and its part in the fleet as it will be.
func (c *computation) resume(op *state.Operation) *job {
	j := &job{op: *op, existing: true, from: c.ordinal(op.From), to: c.ordinal(op.To)}
	address := op.Instance
	change := &Change{
		Address: address, Name: address.Short(), Action: ActContinue, From: op.From, To: op.To, Kind: op.Kind,
		Reason:     state.Reason{Code: ReasonApproved, Message: fmt.Sprintf("%s, %s: %s", op.Action, op.Phase, op.Reason.Message)},
		Operations: []string{op.ID},
	}
	if op.Instance == "" {
		address = op.To + op.From
		change.Address = address
		if h := c.hostAt[address]; h != nil {
			change.Name = h.name()
			h.claim = j
		}
	}
	j.change = change
	c.changes = append(c.changes, change)
	c.jobs = append(c.jobs, j)
	c.work[address] = append(c.work[address], j)
	c.foresee(j, address)
	return j
}

// foresee changes the fleet to what it will be when the operation is done.
func (c *computation) foresee(j *job, address spec.Address) {
	in, recorded := c.st.Instances.Get(string(j.op.Instance))
	switch {
	case recorded:
		j.occupant = c.occupant(in)
	case j.op.Build != nil:
		j.occupant = c.occupant(j.op.Build)
	default:
		return
	}
	pending := j.op.Phase == state.Pending
	switch j.op.Action {
	case state.Create:
		if pending && !recorded && j.to >= 0 {
			c.fleet.Put(j.to, j.occupant)
		}
	case state.Migrate:
		if pending && j.to >= 0 {
			c.fleet.Put(j.to, j.occupant)
		}
		if j.from >= 0 {
			c.fleet.Remove(j.from, j.occupant)
		}
	case state.Terminate:
		if j.from >= 0 && recorded {
			c.fleet.Remove(j.from, j.occupant)
			c.gone[address] = j
		}
	}
}

func (c *computation) ordinal(a spec.Address) int {
	if h := c.hostAt[a]; h != nil {
		return h.ordinal
	}
	return -1
}
