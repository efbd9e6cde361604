package planner

import (
	"fmt"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// remove decides what happens to an instance that left the spec.
func (c *computation) remove(r *record) {
	if !c.touchable(r) {
		return
	}
	if keep := c.removedBlock(r.have.Address); keep != nil && !keep.Destroy {
		c.forget(r, keep)
		return
	}
	if c.protected(r) {
		return
	}
	reason := state.Reason{Code: ReasonRemoved, Message: "it is no longer in the spec"}
	if c.options.Destroy {
		reason = state.Reason{Code: ReasonDestroy, Message: "destroy was asked for"}
	}
	change := &Change{
		Address: r.have.Address, Name: r.have.Address.Short(), Action: ActTerminate, From: r.have.Host, Reason: reason, Interrupts: true,
		Details: []string{"disks kept in the trash for " + shortDuration(r.have.TrashRetention)},
	}
	j := c.add(&job{
		op:   state.Operation{Action: state.Terminate, Instance: r.have.Address, From: r.have.Host, Reason: reason},
		from: r.host.ordinal, to: -1, occupant: c.occupant(r.have),
	}, change)
	c.gone[r.have.Address] = j
	c.fleet.Terminate(j.from, j.occupant)
}

func (c *computation) forget(r *record, keep *spec.Removed) {
	reason := state.Reason{Code: ReasonForgotten, Message: "removed without destroying" + at(keep.Source)}
	c.add(&job{
		op:   state.Operation{Action: state.Forget, Instance: r.have.Address, From: r.have.Host, Reason: reason},
		from: -1, to: -1, occupant: c.occupant(r.have),
	}, &Change{Address: r.have.Address, Name: r.have.Address.Short(), Action: ActForget, From: r.have.Host, Reason: reason,
		Details: []string{"the guest stays as it is, and is nobody's"}})
}

// removedBlock returns the removed block about an instance or its whole block.
func (c *computation) removedBlock(a spec.Address) *spec.Removed {
	for i := range c.spec.Removed {
		if from := c.spec.Removed[i].From; from == a || from == a.Block() {
			return &c.spec.Removed[i]
		}
	}
	return nil
}

// protected says why an instance that left the spec must not go. Its block may be gone with its
// protection, so the spec that is replaced counts.
func (c *computation) protected(r *record) bool {
	was := c.base().Index.Instances[r.have.Address]
	if was == nil {
		return false
	}
	if was.Lifecycle.PreventDestroy {
		c.fail(Message{Code: CodePreventDestroy, Address: r.have.Address, Source: was.Source, Blocks: true,
			Summary: fmt.Sprintf("%s has prevent_destroy: it is not terminated", r.have.Address),
			Detail:  []string{"Set lifecycle.prevent_destroy = false and apply that first, or put the block back."}})
		return true
	}
	if !c.refuseLocked(r, was.Locked, "terminate") {
		return false
	}
	c.plan.Errors[len(c.plan.Errors)-1].Blocks = true
	return true
}

func (c *computation) warnFenced(h *host) {
	if n := c.guests(h); n > 0 {
		c.warn(Message{Code: CodeFenced, Address: h.address(), Source: h.spec.ModeAt,
			Summary: fmt.Sprintf("%s is fenced with %s on it: evacuation is not supported yet", h.name(), counted(n, "instance", "instances")),
			Detail:  []string{"They are left alone. Set mode = \"active\" when the host is back."}})
	}
}
