package planner

import (
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// unit is an affinity group with several instances: all of them move to one host, or none does. Members
// move one after the other, so on the way the group is on two hosts. Where nobody may notice that, the
// spec must allow it: see ServerGroup.SplitWhileMoving.
type unit struct {
	group   *spec.ServerGroup
	members []*record // all that are recorded, in spec order
	may     bool      // it may be split while it moves
	pulled  []*record // members whose host isn't right for them
	moved   bool
	first   *job // goes ahead of the others
}

// enlist notes the members of affinity groups.
func (c *computation) enlist(r *record) {
	if u := c.units[r.want.Group]; u != nil {
		u.members = append(u.members, r)
	}
}

// affinityGroups returns a unit for each affinity group of the spec.
func (c *computation) affinityGroups() map[spec.Address]*unit {
	var units map[spec.Address]*unit
	for i := range c.spec.Groups {
		g := &c.spec.Groups[i]
		if g.Policy != spec.Affinity {
			continue
		}
		if units == nil {
			units = map[spec.Address]*unit{}
		}
		units[g.Address] = &unit{group: g}
	}
	return units
}

// eachUnit returns the units of several members, in spec order.
func (c *computation) eachUnit() []*unit {
	if len(c.units) == 0 {
		return nil
	}
	var units []*unit
	for i := range c.spec.Groups {
		if u := c.units[c.spec.Groups[i].Address]; u != nil && len(u.members) > 1 {
			units = append(units, u)
		}
	}
	return units
}

// formUnits finds out which groups move as a whole, and takes the moves of their members together.
func (c *computation) formUnits() {
	for _, u := range c.eachUnit() {
		u.may = c.st.Level >= state.LevelServed && c.maySplit(u.group)
		for _, r := range u.members {
			r.unit = u
		}
	}
	if len(c.units) == 0 {
		return
	}
	c.moves = slices.DeleteFunc(c.moves, func(r *record) bool {
		if !r.inUnit() {
			return false
		}
		r.unit.pulled = append(r.unit.pulled, r)
		return true
	})
}

// maySplit: the spec allows that guests are apart for a while, or all of them are off and stay so.
func (c *computation) maySplit(g *spec.ServerGroup) bool {
	if g.SplitWhileMoving {
		return true
	}
	for _, r := range c.units[g.Address].members {
		if !r.have.Stopped || r.domain != nil && r.domain.Power != PowerOff && r.domain.Power != PowerCrashed {
			return false
		}
	}
	return true
}

// inUnit reports whether the record moves with its group, as a whole.
func (r *record) inUnit() bool { return r.unit != nil && r.unit.may }

// bound reports whether the record can't leave its host because others of its group are there, and these can't
// come with it.
func (c *computation) bound(r *record) bool {
	return r.unit != nil && !r.unit.may && c.fleet.Members(r.unit.group.Address, r.host.ordinal) > 1
}

// bindingRule says what a bound instance can't do, and what would let it.
func (c *computation) bindingRule(r *record) state.Reason {
	g := r.unit.group
	m := fmt.Sprintf("%s of group %s are on %s, and affinity lets none leave before the others: set split_while_moving = true in %s%s, or stop them all",
		counted(c.fleet.Members(g.Address, r.host.ordinal), "member", "members"), g.Name, r.host.name(), g.Address, at(g.Source))
	if g.SplitWhileMoving {
		m = fmt.Sprintf("group %s moves as a whole, which needs level %d of the record; it has %d", g.Name, state.LevelServed, c.st.Level)
	}
	return state.Reason{Code: CodeGroupTogether, Message: m}
}

// settleUnits moves the groups of which a member's host isn't right, and brings together what an earlier move
// left apart. It reports whether something moved.
func (c *computation) settleUnits() bool {
	any := false
	for _, u := range c.eachUnit() {
		if !u.may || u.moved || !c.unsettled(u) {
			continue
		}
		split := c.fleet.MemberHosts(u.group.Address)
		found := c.tryUnit(u, false)
		for _, m := range found {
			c.move(m, c.unitReason(m, split))
		}
		any = any || found != nil
	}
	return any
}

// unsettled: the group is on two hosts, or a member's host isn't right for it.
func (c *computation) unsettled(u *unit) bool {
	if len(c.fleet.MemberHosts(u.group.Address)) > 1 {
		return true
	}
	return slices.ContainsFunc(u.pulled, func(r *record) bool {
		_, wrong := c.misplaced(r)
		return wrong
	})
}

// unitReason is why a member moves: for its own sake, to mend the group, or with the others.
func (c *computation) unitReason(m *moving, split []int) state.Reason {
	g := m.r.unit.group
	if reason, wrong := c.wrongPlace(m.r); wrong {
		return reason
	}
	if len(split) > 1 {
		return state.Reason{Code: ReasonGroupPolicy, Message: fmt.Sprintf("group %s is split between %s: brought together on %s", g.Name, c.hostNames(split), c.hosts[m.to].name())}
	}
	return state.Reason{Code: ReasonGroupMove, Message: fmt.Sprintf("goes with group %s", g.Name)}
}

func (c *computation) hostNames(ordinals []int) string {
	names := make([]string, len(ordinals))
	for k, i := range ordinals {
		names[k] = c.hosts[i].name()
	}
	return joinNames(names, 8)
}

// stayTogether puts what is started after the moves of a group that may be split only because it is off.
func (c *computation) stayTogether() {
	for _, j := range c.jobs {
		if j.existing || j.op.Action != state.StartUp {
			continue
		}
		u := c.units[j.occupant.Group]
		if u == nil || u.group.SplitWhileMoving {
			continue
		}
		for _, m := range c.jobs {
			if m.op.Unit == u.group.Address && !slices.Contains(j.after, m) {
				j.after = append(j.after, m)
			}
		}
	}
}

// goes makes a migrate part of its group's move. The first one goes ahead: when it fails, none has left.
func (c *computation) goes(u *unit, j *job) {
	j.op.Unit, u.moved = u.group.Address, true
	if u.first == nil {
		u.first = c.ahead(u, j.op.To)
	}
	if u.first == nil {
		u.first = j
		return
	}
	j.after = append(j.after, u.first)
}

// ahead returns the first approved move of the group to a host where nobody of it has arrived yet, or nil.
func (c *computation) ahead(u *unit, to spec.Address) *job {
	if slices.ContainsFunc(u.members, func(r *record) bool { return r.have.Host == to }) {
		return nil
	}
	for _, j := range c.jobs {
		if j.existing && j.op.Unit == u.group.Address && j.op.To == to {
			return j
		}
	}
	return nil
}

// unitsStay reports the groups that should move and can't, and those that are in several places.
func (c *computation) unitsStay() {
	for _, u := range c.eachUnit() {
		if !u.moved {
			for _, r := range u.pulled {
				if reason, wrong := c.misplaced(r); wrong && c.drains[r.host.ordinal] == nil {
					x := c.unitStays(r, false)
					x.Reason.Message += " (" + reason.Message + ")"
					c.plan.Unplaced = append(c.plan.Unplaced, *x)
				}
			}
		}
		if hosts := c.fleet.MemberHosts(u.group.Address); len(hosts) > 1 {
			c.scattered(u, hosts)
		}
	}
}

// scattered says that the members of a group aren't together, and what would bring them there.
func (c *computation) scattered(u *unit, hosts []int) {
	g := u.group
	detail := []string{
		"Its members can't be brought together one at a time without breaking the policy on the way.",
		fmt.Sprintf("Set split_while_moving = true in %s, stop them all, or use soft-affinity.", g.Address)}
	switch {
	case len(hosts) > 2:
		detail[1] = "Use soft-affinity, or remove and add again what is on the smaller parts."
	case u.may:
		detail = []string{"Neither of these hosts can take all of it. Make room on one of them, or use soft-affinity."}
	}
	c.warn(Message{Code: CodeGroupImpossible, Address: g.Address, Source: g.Source,
		Summary: fmt.Sprintf("group %s has policy affinity and is on %s", g.Name, c.hostNames(hosts)), Detail: detail})
}
