package planner

import (
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
)

// tryUnit finds one host for the whole group and moves it there in the fleet. It returns nil, and leaves the
// fleet as it was, when there is none. A drain moves locked instances, too.
func (c *computation) tryUnit(u *unit, drain bool) []*moving {
	loose := c.lift(u)
	to := -1
	if drain || !slices.ContainsFunc(loose, func(r *record) bool { return r.want.Locked != "" }) {
		to = c.destination(u, loose)
	}
	if to < 0 {
		c.putBack(loose)
		return nil
	}
	var found []*moving
	for _, r := range loose {
		c.fleet.Put(to, c.occupant(r.have))
		if r.host.ordinal != to {
			kind, _ := c.kindOf(r)
			found = append(found, &moving{r: r, kind: kind, to: to})
		}
	}
	for _, m := range found {
		if c.explains(m.r.address()) {
			o := c.occupant(m.r.have)
			c.fleet.Remove(to, o)
			m.placement = c.policy.Rank(c.fleet, c.moveRequest(m.r), true)
			c.fleet.Put(to, o)
		}
	}
	return found
}

// lift takes the members that can leave their hosts out of the fleet.
func (c *computation) lift(u *unit) []*record {
	var loose []*record
	for _, r := range u.members {
		if c.stuck(r) == "" {
			c.fleet.Remove(r.host.ordinal, c.occupant(r.have))
			loose = append(loose, r)
		}
	}
	return loose
}

func (c *computation) putBack(loose []*record) {
	for _, r := range loose {
		c.fleet.Put(r.host.ordinal, c.occupant(r.have))
	}
}

// stuck says why a member can't leave its host now whatever is free elsewhere, "" when it can.
func (c *computation) stuck(r *record) string {
	if !r.free {
		return c.notFree(r)
	}
	_, why := c.kindOf(r)
	return why
}

// notFree says why nothing is decided about a member now.
func (c *computation) notFree(r *record) string {
	for _, j := range c.work[r.address()] {
		if j.existing {
			return fmt.Sprintf("has a %s under way", j.op.Action)
		}
	}
	if r.have.Phase == state.Frozen {
		return "is frozen"
	}
	return "can't be looked at on " + c.hostName(r.have.Host)
}

// destination returns the host that takes the lifted members beside those that stay, or -1. A group that is
// in one place can go anywhere. One that was split goes on to where most of it is, else back: a third
// host would be one too many.
func (c *computation) destination(u *unit, loose []*record) int {
	if len(loose) == 0 {
		return -1
	}
	from := hostsOf(loose)
	switch rest := c.fleet.MemberHosts(u.group.Address); {
	case len(rest) > 1 || len(from) > 2:
		return -1
	case len(rest) == 1:
		from = rest
	case len(from) == 1:
		if at := c.together(loose, nil, true); at >= 0 {
			return at
		}
		return c.together(loose, nil, false)
	}
	for _, at := range from {
		if c.takesRest(loose, at) {
			return at
		}
	}
	return -1
}

// hostsOf returns where instances are, the most frequent first, of equals the first in the spec.
func hostsOf(all []*record) []int {
	count := map[int]int{}
	for _, r := range all {
		count[r.host.ordinal]++
	}
	hosts := make([]int, 0, len(count))
	for at := range count {
		hosts = append(hosts, at)
	}
	slices.SortFunc(hosts, func(a, b int) int {
		if count[a] != count[b] {
			return count[b] - count[a]
		}
		return a - b
	})
	return hosts
}

// takesRest reports whether those of the group that are elsewhere can all join what is on a host, and what is
// there may stay.
func (c *computation) takesRest(loose []*record, to int) bool {
	var stay, come []*record
	for _, r := range loose {
		if r.host.ordinal == to {
			stay = append(stay, r)
		} else {
			come = append(come, r)
		}
	}
	wrong := func(r *record) bool { _, w := c.wrongPlace(r); return w }
	if len(come) == 0 || len(hostsOf(come)) > 1 || slices.ContainsFunc(stay, wrong) {
		return false
	}
	c.putBack(stay)
	at := c.together(come, []int{to}, false)
	for _, r := range stay {
		c.fleet.Remove(to, c.occupant(r.have))
	}
	return at == to
}

// together picks a host for all of them, leaving out those that failed before when tried is set.
func (c *computation) together(all []*record, among []int, tried bool) int {
	return c.pick.Together(c.unitRequests(all, tried), among)
}

func (c *computation) unitRequests(all []*record, tried bool) []*placement.Request {
	rs := make([]*placement.Request, len(all))
	for k, r := range all {
		rs[k] = c.moveRequest(r)
		if tried {
			rs[k].Tried = c.failed(r.address(), state.Migrate).tried
		}
	}
	return rs
}

// unitStays says why a member of a group can't leave its host.
func (c *computation) unitStays(r *record, drain bool) *Unplaced {
	x := &Unplaced{Address: r.address(), Source: r.source()}
	if _, stuck := c.kindOf(r); stuck != "" {
		x.Reason = state.Reason{Code: CodeSaved, Message: stuck}
		return x
	}
	if pinned, why := c.pinnedHere(r); pinned {
		x.Reason = why
		return x
	}
	x.Reason.Code = CodeGroupTogether
	g := r.unit.group
	if why := c.companion(r, drain); why != "" {
		x.Reason.Message = fmt.Sprintf("goes only with the whole of group %s, and %s", g.Name, why)
		return x
	}
	loose := c.lift(r.unit)
	defer c.putBack(loose)
	where := hostsOf(loose)
	if rest := c.fleet.MemberHosts(g.Address); len(rest) > 0 || len(where) > 1 {
		where = append(where, rest...)
		slices.Sort(where)
		x.Reason.Message = fmt.Sprintf("group %s is on %s, and none of these can take all of it", g.Name, c.hostNames(slices.Compact(where)))
		return x
	}
	x.Placement = c.policy.RankTogether(c.fleet, c.unitRequests(loose, false))
	x.Reason = state.Reason{Code: CodeNoValidHost,
		Message: fmt.Sprintf("goes only with the whole of group %s, %s: %s", g.Name, counted(len(loose), "instance", "instances"), sentence(x.Placement))}
	return x
}

// companion says which other member keeps the group where it is, and why.
func (c *computation) companion(r *record, drain bool) string {
	for _, other := range r.unit.members {
		switch pinned, why := c.pinnedHere(other); {
		case other == r || other.host == nil || other.host != r.host:
		case c.stuck(other) != "":
			return fmt.Sprintf("%s %s", other.address(), c.stuck(other))
		case pinned:
			return fmt.Sprintf("%s is %s", other.address(), why.Message)
		case !drain && other.want.Locked != "":
			return fmt.Sprintf("%s is locked (%s)", other.address(), other.want.Locked)
		}
	}
	return ""
}

func (c *computation) pinnedHere(r *record) (bool, state.Reason) {
	if r.want.Host == "" || r.want.Host != r.have.Host {
		return false, state.Reason{}
	}
	return true, state.Reason{Code: CodePinned, Message: fmt.Sprintf("pinned to %s%s", r.want.Host, at(r.want.Source))}
}
