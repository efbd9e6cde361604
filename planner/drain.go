package planner

import (
	"fmt"

	"github.com/novaplan/novaplan/cluster/state"
)

// empty plans the moves off every draining host: all that is on it, or, when one of them fits nowhere,
// nothing, unless a part was asked for.
func (c *computation) empty() {
	for _, h := range c.hosts {
		leaving := c.drains[h.ordinal]
		if len(leaving) == 0 {
			continue
		}
		var found []*moving
		var stuck []*Unplaced
		for _, r := range leaving {
			m, u := c.tryMove(r)
			if m != nil {
				found = append(found, m)
			} else {
				stuck = append(stuck, u)
			}
		}
		if len(stuck) > 0 {
			c.refuseDrain(h, found, stuck)
			if !c.options.AllowPartial {
				continue
			}
		}
		reason := state.Reason{Code: ReasonHostDrain, Message: fmt.Sprintf("host %s is draining%s", h.name(), at(h.spec.ModeAt))}
		for _, m := range found {
			c.move(m, reason)
		}
	}
}

// refuseDrain says, per instance, why a host can't be emptied, and takes its moves back unless a part
// was asked for.
func (c *computation) refuseDrain(h *host, found []*moving, stuck []*Unplaced) {
	for _, u := range stuck {
		c.plan.Unplaced = append(c.plan.Unplaced, *u)
	}
	total := len(found) + len(stuck)
	m := Message{Code: CodeDrainRefused, Address: h.address(), Source: h.spec.ModeAt,
		Summary: fmt.Sprintf("%s can't be emptied: %d of %s elsewhere, %d %s", h.name(), len(found), fits(total), len(stuck), dont(len(stuck)))}
	for _, u := range stuck {
		m.Detail = append(m.Detail, fmt.Sprintf("%s  %s", u.Address, u.Reason.Message))
		if u.Placement == nil {
			continue
		}
		if n := u.Placement.Nearest; n != nil && n.Host != h.address() {
			m.Detail = append(m.Detail, fmt.Sprintf("    nearest: %s, %s", n.Name, n.Message))
		}
	}
	if c.options.AllowPartial {
		m.Code = CodeDrainPartial
		m.Detail = append(m.Detail, fmt.Sprintf("What fits elsewhere moves; %s stays draining.", h.name()))
		c.warn(m)
		return
	}
	m.Detail = append(m.Detail, fmt.Sprintf("Nothing on %s will move. Make room, change what the guests ask for, or -allow-partial.", h.name()))
	c.fail(m)
	for i := len(found) - 1; i >= 0; i-- {
		c.undo(found[i])
	}
}

func fits(n int) string {
	if n == 1 {
		return "1 guest fits"
	}
	return fmt.Sprintf("%d guests fit", n)
}

func dont(n int) string {
	if n == 1 {
		return "doesn't"
	}
	return "don't"
}
