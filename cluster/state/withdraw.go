package state

import "fmt"

// cancel withdraws pending operations. Final ones among the named are left alone; a running one
// refuses the command, because it needs Revoke.
func (t *transition) cancel(c *Cancel) *Refusal {
	ids := c.Operations
	if len(ids) == 0 {
		for id, op := range t.Operations.All() {
			if op.Phase == Pending {
				ids = append(ids, id)
			}
		}
	}
	for _, id := range ids {
		op, ok := t.Operations.Get(id)
		if !ok {
			return refuse(Unknown, "there is no operation %s", id)
		}
		if op.Phase == RunningOp || op.Phase == Revoking {
			return refuse(WrongPhase, "%s is %s", id, op.Phase)
		}
	}
	n := 0
	for _, id := range ids {
		n += t.withdraw(id, c.Reason)
	}
	if n > 0 {
		t.event(Event{Kind: "cancel", By: c.By, Request: c.Request, From: c.From, Message: fmt.Sprintf("%d pending operations withdrawn: %s", n, c.Reason)})
	}
	return nil
}

// withdraw cancels one operation if it is pending still, and counts it.
func (t *transition) withdraw(id, why string) int {
	op, ok := t.Operations.Get(id)
	if !ok || op.Phase != Pending {
		return 0
	}
	t.end(*op, Cancelled, why)
	return 1
}

// cancelDependents withdraws the pending operations that come after one that won't be done, and what
// comes after those.
func (t *transition) cancelDependents(id string, phase Phase) {
	prefix := id + keySep
	var dependents []string
	for key := range t.index.waiting.Prefix(prefix) {
		dependents = append(dependents, key[len(prefix):])
	}
	for _, other := range dependents {
		t.withdraw(other, fmt.Sprintf("%s, which it comes after, %s", id, was(phase)))
	}
}

func was(phase Phase) string {
	if phase == Failed {
		return "failed"
	}
	return "was " + string(phase)
}

func (t *transition) revoke(c *Revoke) *Refusal {
	phase := RunningOp
	if c.Done {
		phase = Revoking
	}
	op, refused := t.claimed(c.Operation, c.Epoch, phase)
	if refused != nil {
		return refused
	}
	if !c.Done {
		next := *op
		next.Phase, next.Error = Revoking, c.Reason
		t.setOperation(&next)
		return nil
	}
	why := c.Reason
	if why == "" {
		why = op.Error
	}
	t.end(*op, Revoked, why)
	switch op.Action {
	case Create:
		t.dropInstance(op.Instance)
	case Terminate:
		t.setPhase(op.Instance, Active)
	}
	t.event(Event{Kind: "operation", Address: op.Subject(), Message: describe(op) + " revoked: " + why, Request: op.Request})
	return nil
}

func (t *transition) freeze(c *Freeze) *Refusal {
	old, ok := t.Instances.Get(string(c.Instance))
	if !ok {
		return refuse(Unknown, "%s is not in the record", c.Instance)
	}
	in := *old
	if c.Thaw {
		if old.Phase != Frozen {
			return refuse(WrongPhase, "%s is not frozen", c.Instance)
		}
		in.Phase, in.Why = t.thawed(old), ""
		t.event(Event{Kind: "instance", Address: c.Instance, Message: "no longer frozen"})
	} else {
		in.Phase, in.Why = Frozen, c.Why
		if old.Phase != Frozen || old.Why != c.Why {
			t.event(Event{Kind: "instance", Address: c.Instance, Message: "frozen: " + c.Why})
		}
	}
	t.setInstance(&in)
	return nil
}

// thawed is the phase that what is under way gives an instance.
func (t *transition) thawed(in *Instance) InstancePhase {
	if op := t.Busy(in.Address); op != nil {
		switch op.Action {
		case Create:
			return Building
		case Terminate:
			return Terminating
		}
	}
	return Active
}
