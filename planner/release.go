package planner

import (
	"fmt"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// unclaimRemovedHosts lets go of hosts that left the spec, and refuses while they hold instances.
func (c *computation) unclaimRemovedHosts() {
	var kept []*host
	waste, renamed := 0, renames{}
	for _, h := range c.hosts {
		switch {
		case h.spec == nil:
			if n := c.letGo(h, renamed); n > 0 {
				kept, waste = append(kept, h), waste+n
			}
		case h.mode() == spec.ModeFenced:
			c.warnFenced(h)
		}
	}
	c.renamedHosts(renamed)
	if len(kept) > 0 {
		c.warnTrash(kept, waste)
	}
}

// letGo releases a host, after what is terminated there. It returns how many instances have disks in
// its trash: then the host is kept, because who gives it back can't delete anything on it any more. A
// host that seems to be in the spec under another address is noted in renamed instead.
func (c *computation) letGo(h *host, renamed renames) int {
	var held []string
	var leaving []*job
	waste := c.trashOn(h)
	for _, in := range c.st.Instances.All() {
		if in.Host != h.address() {
			continue
		}
		if j := c.gone[in.Address]; j == nil {
			held = append(held, string(in.Address))
		} else if leaving = append(leaving, j); c.onlyHere(in.Pool) && len(in.Disks) > 0 {
			waste++
		}
	}
	switch {
	case len(held) > 0 && c.options.Destroy && h.reachable:
		return 0 // what keeps them was said of each
	case len(held) > 0:
		if now := c.renamedTo(h); now != nil && !c.options.Destroy {
			renamed[h] = now
		} else {
			c.refuseRelease(h, held)
		}
		return 0
	}
	if !h.record.Claimed || h.claim != nil {
		return 0
	}
	if now := c.sameMachine(h); now != nil {
		renamed[h] = now
		return 0
	}
	if waste > 0 {
		return waste
	}
	reason := state.Reason{Code: ReasonHostRemoved, Message: "it left the spec and is empty"}
	c.add(&job{
		op:   state.Operation{Action: state.Unclaim, From: h.address(), Reason: reason},
		from: -1, to: -1, after: leaving,
	}, &Change{Address: h.address(), Name: h.name(), Action: ActUnclaim, From: h.address(), Reason: reason})
	return 0
}

// refuseRelease: a host left the spec with instances on it that stay. A destroy goes on elsewhere: what can't be
// reached now is terminated when it can.
func (c *computation) refuseRelease(h *host, held []string) {
	c.fail(Message{Code: CodeHostHoldsGuests, Address: h.address(), Blocks: !c.options.Destroy && c.base().Index.Hosts[h.address()] != nil,
		Summary: fmt.Sprintf("%s left the spec and still holds %s", h.name(), counted(len(held), "instance", "instances")),
		Detail: []string{joinNames(held, 8),
			"Put the block back with mode = \"drain\" and apply; remove it when the host is empty."}})
}

// onlyHere: disks in this pool can be deleted through no host that stays in the spec.
func (c *computation) onlyHere(p state.Pool) bool { return !p.Shared || len(c.spec.Hosts) == 0 }

// trashOn returns how many instances have disks in the trash that only this host can delete.
func (c *computation) trashOn(h *host) int {
	n := 0
	for _, trash := range c.st.Trash.All() {
		if trash.Host == h.address() && c.onlyHere(trash.Pool) {
			n++
		}
	}
	return n
}

// warnTrash says once which hosts stay claimed for their trash, and until when.
func (c *computation) warnTrash(kept []*host, waste int) {
	last := c.now
	for _, trash := range c.st.Trash.All() {
		if h := c.hostAt[trash.Host]; h != nil && h.spec == nil && trash.Expires.After(last) {
			last = trash.Expires
		}
	}
	for _, j := range c.gone {
		in, ok := c.st.Instances.Get(string(j.op.Instance))
		if ok && c.hostAt[in.Host].spec == nil && c.now.Add(in.TrashRetention).After(last) {
			last = c.now.Add(in.TrashRetention)
		}
	}
	names := make([]string, len(kept))
	for i, h := range kept {
		names[i] = h.name()
	}
	m := Message{Code: CodeHostHoldsTrash,
		Summary: fmt.Sprintf("%s left the spec with the disks of %s in the trash", joinNames(names, 8), counted(waste, "instance", "instances")),
		Detail: []string{fmt.Sprintf("%s claimed till these are deleted, from %s on: an apply or destroy after that deletes them,",
			stays(len(kept)), last.UTC().Format(time.RFC3339)), "and the one after it gives the " + hosts(len(kept)) + " back."}}
	if len(kept) == 1 {
		m.Address = kept[0].address()
	}
	c.warn(m)
}

func stays(n int) string {
	if n == 1 {
		return "It stays"
	}
	return "They stay"
}

func hosts(n int) string {
	if n == 1 {
		return "host"
	}
	return "hosts"
}
