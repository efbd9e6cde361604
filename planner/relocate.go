package planner

import (
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
)

// relocate moves what must leave its host: everything on draining hosts, and single instances whose host
// isn't right for them any more. One may make room for another, or make its move needless, so both
// are tried until nothing more moves; then those that may be in each other's way are tried together.
// What is left stays, and is reported.
func (c *computation) relocate() {
	c.moves = c.unlocked(c.moves)
	c.formUnits()
	guests := map[int]int{}
	for at, leaving := range c.drains {
		guests[at] = len(leaving)
	}
	for c.settle() || c.settleUnits() || c.empty() || c.exchange() {
	}
	for _, r := range c.moves {
		c.stays(r)
	}
	c.unitsStay()
	for _, h := range c.hosts {
		if len(c.drains[h.ordinal]) > 0 {
			c.refuseDrain(h, guests[h.ordinal])
		}
	}
}

// unlocked refuses the moves of locked instances.
func (c *computation) unlocked(moves []*record) []*record {
	var free []*record
	for _, r := range moves {
		if !c.refuseLocked(r, r.want.Locked, "a move") {
			free = append(free, r)
		}
	}
	return free
}

// settle moves single instances whose host isn't right for them, and reports whether one moved.
func (c *computation) settle() bool {
	var left []*record
	moved := false
	for _, r := range c.moves {
		reason, still := c.misplaced(r)
		if !still {
			continue
		}
		r.reason = reason
		if m, _ := c.tryMove(r); m == nil {
			left = append(left, r)
		} else {
			c.move(m, reason)
			moved = true
		}
	}
	c.moves = left
	return moved
}

// exchange moves instances that need each other's room, all of them or none.
func (c *computation) exchange() bool {
	if len(c.moves) < 2 || slices.ContainsFunc(c.moves, c.bound) {
		return false
	}
	found := c.tryTogether(c.moves)
	for _, m := range found {
		c.move(m, m.r.reason)
	}
	if found == nil {
		return false
	}
	c.moves = nil
	return true
}

// tryTogether takes all of them off their hosts and places them again. It returns nil, and leaves the
// fleet as it was, when one of them finds no other host.
func (c *computation) tryTogether(all []*record) []*moving {
	for _, r := range all {
		if _, stuck := c.kindOf(r); stuck != "" || r.want.Host == r.have.Host {
			return nil
		}
	}
	for _, r := range all {
		c.fleet.Remove(r.host.ordinal, c.occupant(r.have))
	}
	var found []*moving
	for _, r := range all {
		kind, _ := c.kindOf(r)
		m := &moving{r: r, kind: kind, to: c.pick.Pick(c.moveRequest(r))}
		if m.to < 0 || m.to == r.host.ordinal {
			break
		}
		c.fleet.Put(m.to, c.occupant(r.have))
		found = append(found, m)
	}
	if len(found) == len(all) {
		return found
	}
	for _, m := range found {
		c.fleet.Remove(m.to, c.occupant(m.r.have))
	}
	for _, r := range all {
		c.fleet.Put(r.host.ordinal, c.occupant(r.have))
	}
	return nil
}

// stays reports an instance that should move and can't.
func (c *computation) stays(r *record) {
	_, u := c.tryMove(r)
	u.Reason.Message += " (" + r.reason.Message + ")"
	c.plan.Unplaced = append(c.plan.Unplaced, *u)
}

// empty moves everything off draining hosts, and reports whether something moved. A host that can't be
// emptied keeps all it has, unless a part was asked for.
func (c *computation) empty() bool {
	any := false
	for _, h := range c.hosts {
		leaving := c.drains[h.ordinal]
		if len(leaving) == 0 {
			continue
		}
		found, left := c.tryAll(leaving)
		if len(left) > 0 && !c.options.AllowPartial {
			c.takeBack(found)
			continue
		}
		reason := state.Reason{Code: ReasonHostDrain, Message: fmt.Sprintf("host %s is draining%s", h.name(), at(h.spec.ModeAt))}
		for _, m := range found {
			c.move(m, reason)
		}
		c.drains[h.ordinal] = left
		any = any || len(found) > 0
	}
	return any
}

func (c *computation) tryAll(leaving []*record) (found []*moving, left []*record) {
	for _, r := range leaving {
		if moved, ok := c.leave(r, left); ok {
			found = append(found, moved...)
		} else {
			left = append(left, r)
		}
	}
	return found, left
}

// leave finds another host for r, and for its whole group when that moves together. stuck are those for
// which there was none.
func (c *computation) leave(r *record, stuck []*record) ([]*moving, bool) {
	if !r.inUnit() {
		m, _ := c.tryMove(r)
		return []*moving{m}, m != nil
	}
	if !c.fleet.On(r.address(), r.host.ordinal) { // gone with the others
		return nil, true
	}
	if slices.ContainsFunc(stuck, func(other *record) bool { return other.unit == r.unit }) {
		return nil, false
	}
	found := c.tryUnit(r.unit, true)
	return found, found != nil
}

// takeBack undoes moves in the fleet, the last one first.
func (c *computation) takeBack(found []*moving) {
	for i := len(found) - 1; i >= 0; i-- {
		m := found[i]
		o := c.occupant(m.r.have)
		c.fleet.Remove(m.to, o)
		c.fleet.Put(m.r.host.ordinal, o)
	}
}
