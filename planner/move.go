package planner

import (
	"fmt"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
	"github.com/novaplan/novaplan/spec"
)

// kindOf says how an instance can leave its host, or why it can't.
func (c *computation) kindOf(r *record) (state.Kind, string) {
	power := PowerOff
	switch {
	case r.domain != nil:
		power = r.domain.Power
	case r.want.State != spec.Stopped: // missing: it is restored first, and then runs
		power = PowerRunning
	}
	switch power {
	case PowerRunning, PowerPaused:
		return state.Live, ""
	case PowerSaved:
		return "", fmt.Sprintf("is suspended: its memory is saved on %s; resume or stop it first", r.host.name())
	}
	return state.Cold, ""
}

// moving is a move that was found possible: its target has taken it up in the fleet.
type moving struct {
	r         *record
	kind      state.Kind
	to        int
	placement *placement.Placement
}

// tryMove finds another host for r and moves it there in the fleet. It returns nil and the reasons
// when there is none.
func (c *computation) tryMove(r *record) (*moving, *Unplaced) {
	kind, stuck := c.kindOf(r)
	if stuck != "" {
		return nil, &Unplaced{Address: r.address(), Source: r.source(), Reason: state.Reason{Code: CodeSaved, Message: stuck}}
	}
	if r.want.Host == r.have.Host {
		_, why := c.pinnedHere(r)
		return nil, &Unplaced{Address: r.address(), Source: r.source(), Reason: why}
	}
	if c.bound(r) {
		return nil, &Unplaced{Address: r.address(), Source: r.source(), Reason: c.bindingRule(r)}
	}
	q := c.moveRequest(r)
	q.Tried = c.failed(r.address(), state.Migrate).tried
	o := c.occupant(r.have)
	c.fleet.Remove(r.host.ordinal, o)
	m := &moving{r: r, kind: kind, to: c.choose(q)}
	if m.to < 0 || m.to == r.host.ordinal {
		p := c.policy.Rank(c.fleet, q, c.explains(r.address()))
		c.fleet.Put(r.host.ordinal, o)
		return nil, &Unplaced{Address: r.address(), Source: r.source(), Placement: p,
			Reason: state.Reason{Code: CodeNoValidHost, Message: sentence(p)}}
	}
	if c.explains(r.address()) {
		m.placement = c.policy.Rank(c.fleet, q, true)
	}
	c.fleet.Put(m.to, o)
	return m, nil
}

// move adds the operation of a move and its line.
func (c *computation) move(m *moving, reason state.Reason) {
	from, to := m.r.host, c.hosts[m.to]
	action := ActMigrateLive
	if m.kind == state.Cold {
		action = ActMigrateCold
	}
	j := &job{
		op: state.Operation{Action: state.Migrate, Instance: m.r.address(), From: from.address(), To: to.address(),
			Kind: m.kind, Reason: reason, Size: m.r.have.Size},
		from: from.ordinal, to: m.to, occupant: c.occupant(m.r.have),
	}
	if m.r.inUnit() {
		c.goes(m.r.unit, j)
	}
	if to.claim != nil {
		j.after = append(j.after, to.claim)
	}
	c.add(j, &Change{Address: m.r.address(), Name: m.r.address().Short(), Action: action, From: from.address(), To: to.address(),
		Kind: m.kind, Reason: reason, Details: []string{c.moveDetail(m)}, Bytes: moveBytes(m.r, m.kind), Placement: m.placement})
	c.work[m.r.address()] = append(c.work[m.r.address()], j)
}

func (c *computation) moveDetail(m *moving) string {
	how := "live"
	if m.kind == state.Cold {
		how = "cold, already off"
	}
	if m.r.have.Pool.Shared {
		return how + ", shared disk"
	}
	return how + ", local disk is copied"
}

// misplaced says why a host is no longer right for the instance on it.
func (c *computation) misplaced(r *record) (state.Reason, bool) {
	if reason, wrong := c.wrongPlace(r); wrong {
		return reason, true
	}
	return c.breaksGroup(r)
}

// wrongPlace: the instance itself is wanted elsewhere.
func (c *computation) wrongPlace(r *record) (state.Reason, bool) {
	switch {
	case r.want.Host != "" && r.want.Host != r.have.Host:
		return state.Reason{Code: ReasonPinChanged, Message: fmt.Sprintf("pinned to %s%s", c.hostName(r.want.Host), at(r.want.Source))}, true
	case r.want.Zone != "" && c.index.Zones[r.want.Zone] != nil && c.index.Zones[r.want.Zone].Name != r.host.zone:
		return state.Reason{Code: ReasonZoneChanged, Message: fmt.Sprintf("wants zone %s, %s is in %s",
			c.index.Zones[r.want.Zone].Name, r.host.name(), r.host.zone)}, true
	}
	return state.Reason{}, false
}

func (c *computation) hostName(a spec.Address) string {
	if h := c.hostAt[a]; h != nil {
		return h.name()
	}
	return a.Short()
}

// breaksGroup reports whether r is the one that has to leave so that its group's policy holds.
func (c *computation) breaksGroup(r *record) (state.Reason, bool) {
	g := c.index.Groups[r.want.Group]
	if g == nil {
		return state.Reason{}, false
	}
	switch g.Policy {
	case spec.AntiAffinity:
		if n, most := c.fleet.Members(g.Address, r.host.ordinal), max(1, g.MaxServerPerHost); n > most {
			return state.Reason{Code: ReasonGroupPolicy, Message: fmt.Sprintf("%s has %d of group %s, at most %d", r.host.name(), n, g.Name, most)}, true
		}
	case spec.Affinity:
		hosts := c.fleet.MemberHosts(g.Address)
		if len(hosts) == 2 && c.fleet.Members(g.Address, r.host.ordinal) == 1 {
			return state.Reason{Code: ReasonGroupPolicy, Message: fmt.Sprintf("the others of group %s are on another host", g.Name)}, true
		}
	}
	return state.Reason{}, false
}
