package planner

import (
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
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

// withdraw returns the pending operations that became wrong or infeasible, and those that wait for
// them. Withdrawing one may leave no room for another, so it looks again until nothing changes.
func (c *computation) withdraw(open []*state.Operation) map[string]bool {
	wrong := map[string]bool{}
	for _, op := range open {
		wrong[op.ID] = op.Phase == state.Pending && c.wrong(op)
	}
	for changed := true; changed; {
		changed = false
		for _, op := range open {
			waits := func(id string) bool { return wrong[id] || c.neverDone(id) }
			if op.Phase == state.Pending && !wrong[op.ID] && (slices.ContainsFunc(op.After, waits) || c.unitBroken(op, open, wrong)) {
				wrong[op.ID], changed = true, true
			}
		}
		if !changed {
			changed = c.infeasible(open, wrong)
		}
	}
	return wrong
}

// infeasible marks the pending arrivals that no longer fit once everything that is left has departed, and
// reports whether there were any.
func (c *computation) infeasible(open []*state.Operation, wrong map[string]bool) bool {
	var f *placement.Fleet
	var arrivals []*job
	for _, op := range open {
		if wrong[op.ID] {
			continue
		}
		if f == nil {
			f = c.newFleet()
		}
		j := &job{op: *op, from: c.ordinal(op.From), to: c.ordinal(op.To)}
		c.occupy(j)
		leaves := op.Action == state.Migrate || op.Action == state.Terminate
		_, recorded := c.st.Instances.Get(string(op.Instance))
		switch {
		case !recorded || !leaves || j.from < 0:
		case op.Action == state.Terminate:
			f.Terminate(j.from, j.occupant)
		default:
			f.Remove(j.from, j.occupant)
		}
		if op.Phase == state.Pending && j.to >= 0 && (op.Action == state.Migrate || op.Action == state.Create) {
			arrivals = append(arrivals, j)
		}
	}
	found := false
	for _, j := range arrivals {
		if !c.fits(f, j.to, j) {
			wrong[j.op.ID], found = true, true
			continue
		}
		f.Put(j.to, j.occupant)
	}
	return found
}

// neverDone: what waits for that operation would wait for ever.
func (c *computation) neverDone(id string) bool {
	op, ok := c.st.Operations.Get(id)
	return ok && op.Phase.Final() && op.Phase != state.Done
}

// wrong reports whether a pending operation no longer serves what is wanted, or can't be carried out.
func (c *computation) wrong(op *state.Operation) bool {
	if op.Action == state.ClaimHost || op.Action == state.Unclaim {
		h := c.hostAt[op.To+op.From]
		return h == nil || (op.Action == state.ClaimHost) != (h.spec != nil)
	}
	want := c.index.Instances[op.Instance]
	switch op.Action {
	case state.Create:
		return want == nil || c.unfit(op.To, want)
	case state.Migrate:
		return want == nil || op.Unit != want.Group && op.Unit != "" || op.Reason.Code != ReasonHop && c.unfit(op.To, want) || op.Reason.Code == ReasonHostDrain && !c.draining(op.From)
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

// unfit: the host takes nothing now, or isn't where the instance is wanted now.
func (c *computation) unfit(to spec.Address, want *spec.Instance) bool {
	h := c.hostAt[to]
	if h == nil || h.spec == nil || h.refusal != "" || want.Host != "" && want.Host != to {
		return true
	}
	zone := c.index.Zones[want.Zone]
	return zone != nil && zone.Name != h.zone
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
	_, recorded := c.st.Instances.Get(string(j.op.Instance))
	if !c.occupy(j) {
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
			c.fleet.Terminate(j.from, j.occupant)
			c.gone[address] = j
		}
	}
}

// occupy fills in what a job's instance takes of a host, and reports whether that is known.
func (c *computation) occupy(j *job) bool {
	if in, recorded := c.st.Instances.Get(string(j.op.Instance)); recorded {
		j.occupant = c.occupant(in)
		return true
	}
	if j.op.Build != nil {
		j.occupant = c.occupant(j.op.Build)
	}
	return j.op.Build != nil
}

func (c *computation) ordinal(a spec.Address) int {
	if h := c.hostAt[a]; h != nil {
		return h.ordinal
	}
	return -1
}
