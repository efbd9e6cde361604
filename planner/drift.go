package planner

import (
	"fmt"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// locate finds the domain of a recorded instance. It returns false when that decides everything:
// the instance is elsewhere, twice, or can't be known to be anywhere.
func (c *computation) locate(r *record) bool {
	var here *sighting
	var elsewhere []sighting
	for i, s := range c.sightings[r.have.UUID] {
		if s.domain.Generation > r.have.Generation && !c.leftByMove(r, s) {
			c.freeze(r, CodeBehind, fmt.Sprintf("%s has generation %d of it, the record has %d: the record is behind",
				s.host.name(), s.domain.Generation, r.have.Generation))
			return false
		}
		if s.host == r.host {
			here = &c.sightings[r.have.UUID][i]
		} else {
			elsewhere = append(elsewhere, s)
		}
	}
	if here != nil {
		r.domain = here.domain
	}
	for _, s := range elsewhere {
		if !c.tolerate(r, s, here) {
			return false
		}
	}
	if here == nil {
		return c.missing(r)
	}
	if r.domain.Migrating || r.domain.Power == PowerIncoming {
		c.warn(Message{Code: CodeMigrating, Address: r.address(), Source: r.source(),
			Summary: fmt.Sprintf("%s is being migrated by somebody else; it is left alone until that ends", r.address())})
		return false
	}
	return !c.held(r)
}

// held: nothing can be done to a domain whose lock somebody has. It is an error when it should do something else.
func (c *computation) held(r *record) bool {
	if !r.domain.Held {
		return false
	}
	name := r.domain.Name
	say := c.fail
	if r.domain.Power == doing(r.want.State) {
		say = c.warn
	}
	say(Message{Code: CodeHeld, Address: r.address(), Source: r.source(),
		Summary: fmt.Sprintf("libvirtd on %s doesn't let anything be done to %s: something has the lock of its domain %s", r.host.name(), r.address(), name),
		Detail: []string{"It is left alone. If this lasts, look there for a QEMU process that hangs (`pgrep -af guest=" + name + "`). When there",
			"is none, libvirtd was killed while it started it: `rm /run/libvirt/qemu/" + name + ".xml`, then restart libvirtd."}})
	return true
}

// doing is what the domain of an instance does whose state is as wanted.
func doing(want spec.Power) Power {
	switch want {
	case spec.Stopped:
		return PowerOff
	case spec.Paused:
		return PowerPaused
	case spec.Suspended:
		return PowerSaved
	}
	return PowerRunning
}

// leftByMove: the definition of a move that was undone came late to its destination. It is off, and the guest is
// where the record has it, so nothing is in doubt.
func (c *computation) leftByMove(r *record, s sighting) bool {
	if s.domain.Power != PowerOff || !GivenUp(c.st, r.have, s.host.address(), s.domain.Generation) {
		return false
	}
	for _, other := range c.sightings[r.have.UUID] {
		if other.host == r.host {
			return other.domain.Generation <= r.have.Generation
		}
	}
	return false
}

// tolerate reports whether a domain on another host leaves the recorded one certain: only an old
// definition that doesn't run does.
func (c *computation) tolerate(r *record, s sighting, here *sighting) bool {
	switch {
	case s.active() && here != nil && (sighting{here.host, here.domain}).active():
		if here.domain.Migrating || s.domain.Power == PowerIncoming {
			c.warn(Message{Code: CodeMigrating, Address: r.address(), Source: r.source(),
				Summary: fmt.Sprintf("%s is being migrated to %s by somebody else; it is left alone until that ends", r.address(), s.host.name())})
			return false
		}
		c.freeze(r, CodeTwice, fmt.Sprintf("it runs on %s and on %s at once", r.host.name(), s.host.name()))
		return false
	case s.active(), here == nil && s.domain.Generation >= r.have.Generation:
		c.freeze(r, CodeElsewhere, fmt.Sprintf("it is on %s, and recorded on %s", s.host.name(), r.host.name()))
		return false
	}
	c.warn(Message{Code: CodeStaleCopy, Address: r.address(), Source: r.source(),
		Summary: fmt.Sprintf("an old definition of %s is left on %s (domain %s, off)", r.address(), s.host.name(), s.domain.Name),
		Detail:  []string{"It is not started by anybody, and removed after the next apply."}})
	return true
}

func (c *computation) freeze(r *record, code, why string) {
	c.plan.Freeze = append(c.plan.Freeze, state.Freeze{Instance: r.have.Address, Why: why})
	c.fail(Message{Code: code, Address: r.address(), Source: r.source(),
		Summary: fmt.Sprintf("%s is frozen: %s", r.address(), why),
		Detail:  []string{"Nothing is done to it, so that it never runs twice. `novaplan takeover` records where it is."}})
}

// missing: the domain is gone from its host. It is defined again from its disks, unless it might run
// on a host that nobody can look at.
func (c *computation) missing(r *record) bool {
	if r.have.Phase == state.Building {
		return false
	}
	if unseen := c.unseenHosts(r); len(unseen) > 0 && r.have.Pool.Shared {
		c.warn(Message{Code: CodeMissing, Address: r.address(), Source: r.source(),
			Summary: fmt.Sprintf("%s is missing on %s, and may be on %s", r.address(), r.host.name(), joinNames(unseen, 4)),
			Detail:  []string{"Its disks are on shared storage: it is defined again when these hosts can be looked at."}})
		return false
	}
	if c.leaves(ReasonFoundMissing) || !c.nameFree(r.address(), r.source(), r.have.Domain, r.host) {
		return false
	}
	c.act(r, state.Rebuild, ActRestore, state.Reason{Code: ReasonFoundMissing, Message: "the domain is missing on " + r.host.name()})
	return true
}

// unseenHosts are hosts other than r's that can't be looked at and aren't known to be off.
func (c *computation) unseenHosts(r *record) []string {
	var names []string
	for _, h := range c.hosts {
		if h != r.host && !h.reachable && h.record != nil && (h.record.Claimed || h.record.Unread) {
			names = append(names, h.name())
		}
	}
	return names
}

// redefined: the definition isn't what is recorded, or its stamp has an address that a moved block
// replaced. It is put right without interrupting the guest.
func (c *computation) redefined(r *record) {
	if r.domain == nil {
		return
	}
	diffs := Difference(r.domain, r.have)
	switch was := r.domain.Address; {
	case was != "" && was != r.have.Address:
		ch := c.act(r, state.Redefine, ActMove, state.Reason{Code: ReasonMoved, Message: fmt.Sprintf("%s is now %s", was, r.have.Address)})
		ch.Details = []string{"the guest is not touched, only the stamp on its domain"}
		ch.Attributes = []AttributeChange{{"address", string(was), string(r.have.Address)}}
	case len(diffs) > 0 && !c.leaves(ReasonFoundChanged):
		ch := c.act(r, state.Redefine, ActUpdate, state.Reason{Code: ReasonFoundChanged, Message: "found changed on the host: " + strings.Join(diffs, "; ")})
		ch.Details = []string{"no interruption; what differs takes effect at its next start"}
	}
}
