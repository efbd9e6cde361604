package planner

import "fmt"

// refuseDrain says, per instance, why a host can't be emptied.
func (c *computation) refuseDrain(h *host, guests int) {
	var found []*moving
	var left []*record
	var stuck []*Unplaced
	for _, r := range c.drains[h.ordinal] {
		moved, ok := c.leave(r, left)
		if ok {
			found = append(found, moved...)
			continue
		}
		u := c.cantLeave(r)
		left, stuck = append(left, r), append(stuck, u)
		c.plan.Unplaced = append(c.plan.Unplaced, *u)
	}
	defer c.takeBack(found)
	m := Message{Code: CodeDrainRefused, Address: h.address(), Source: h.spec.ModeAt,
		Summary: fmt.Sprintf("%s can't be emptied: %d of %s elsewhere, %d %s", h.name(), guests-len(stuck), fits(guests), len(stuck), dont(len(stuck)))}
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
}

// cantLeave says why r finds no other host.
func (c *computation) cantLeave(r *record) *Unplaced {
	if r.inUnit() {
		return c.unitStays(r, true)
	}
	_, u := c.tryMove(r)
	return u
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
