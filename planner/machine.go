package planner

import (
	"fmt"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// Replaced reports whether a host answers as another machine than the one on which the record has its
// instances. The guests may still run there, so nothing is decided about them, and nothing is
// recorded of the new machine, until somebody says that the old one is gone (takeover).
func Replaced(st state.State, address spec.Address, seen state.Inventory) bool {
	h, ok := st.Hosts.Get(string(address))
	return ok && h.Inventory.UUID != "" && seen.UUID != "" && h.Inventory.UUID != seen.UUID && len(st.Residents(address)) > 0
}

// Behind returns the hosts, by name and in no order, that an epoch later than the record's last has
// worked on: the record is an old copy. A claim is only ever set after its epoch is in the log, so a
// record that is whole has seen every epoch that its hosts have.
func Behind(st state.State, obs *Observed) (hosts []spec.Address, epoch uint64) {
	for address, h := range obs.Hosts {
		if h.Reachable && h.Claimed && h.ClaimEpoch > st.Term {
			hosts, epoch = append(hosts, address), max(epoch, h.ClaimEpoch)
		}
	}
	return hosts, epoch
}

// refuseOldCopy lets nothing be approved from a record that its hosts have left behind.
func (c *computation) refuseOldCopy() {
	ahead, epoch := Behind(c.st, c.obs)
	if len(ahead) == 0 {
		return
	}
	var names []string
	for _, h := range c.hosts { // in spec order
		if h.seen != nil && h.seen.Reachable && h.seen.Claimed && h.seen.ClaimEpoch > c.st.Term {
			names = append(names, h.name())
		}
	}
	c.fail(Message{Code: CodeBehind, Blocks: true,
		Summary: fmt.Sprintf("this record stopped in epoch %d, but epoch %d has worked on %s: it is an old copy", c.st.Term, epoch, joinNames(names, 4)),
		Detail: []string{"Use the copy that was used last; two that work on the same hosts would undo each other.",
			"If it is lost, `novaplan takeover` rebuilds this one from what is on the hosts."}})
}

// answersAsAnother: the host's URI leads to another machine than before, and instances are recorded on the
// one before.
func (c *computation) answersAsAnother(h *host) {
	h.refusal = "answers as another machine"
	c.fail(Message{Code: CodeHostReplaced, Address: h.address(), Source: h.spec.Source,
		Summary: fmt.Sprintf("%s answers as another machine: its UUID was %s and is %s", h.name(), h.record.Inventory.UUID, h.seen.Inventory.UUID),
		Detail: []string{fmt.Sprintf("%s recorded on the machine before, and may still run there; nothing is done about them.",
			counted(c.guests(h), "instance is", "instances are")),
			"Mend the uri, or, when the machine before is off for good or got a new host_uuid: `novaplan takeover`."}})
}

// sameMachine returns the host of the spec that a host which left it is, under another address; nil when
// there is none.
func (c *computation) sameMachine(gone *host) *host {
	uuid := gone.record.Inventory.UUID
	if uuid == "" {
		return nil
	}
	for _, h := range c.hosts {
		if h.spec != nil && h.seen != nil && h.seen.Reachable && h.seen.Inventory.UUID == uuid {
			return h
		}
	}
	return nil
}

// renames are hosts that left the spec, each with the host of the spec that it seems to be now.
type renames map[*host]*host

// renamedTo returns the host of the spec that one which left it seems to be: the same machine, or, when that
// can't be seen, a new host with its uri.
func (c *computation) renamedTo(gone *host) *host {
	if now := c.sameMachine(gone); now != nil {
		return now
	}
	was := c.base().Index.Hosts[gone.address()]
	if was == nil || was.URI == "" {
		return nil
	}
	for _, h := range c.hosts {
		if h.spec != nil && h.record == nil && h.spec.URI == was.URI && (h.seen == nil || !h.seen.Reachable) {
			return h
		}
	}
	return nil
}

// renamedHosts: to let go of a host that is in the spec under another address would take the claim from it,
// and its guests with it. A block that was renamed as a whole is said once.
func (c *computation) renamedHosts(renamed renames) {
	said := map[spec.Address]bool{}
	for _, gone := range c.hosts {
		now := renamed[gone]
		if now == nil {
			continue
		}
		from, to, is := gone.address(), now.address(), "is the same machine"
		if key := strings.TrimPrefix(string(from), string(from.Block())); key != "" && from.Block() != to.Block() && to == to.Block()+spec.Address(key) {
			from, to, is = from.Block(), to.Block(), "has the same machines"
		}
		if said[to] {
			continue
		}
		said[to] = true
		c.fail(Message{Code: CodeHostRenamed, Address: to, Source: now.spec.Source, Blocks: true,
			Summary: fmt.Sprintf("%s is gone and %s %s: was it renamed?", from, to, is),
			Detail: []string{"If so, add:", "", "moved {", fmt.Sprintf("  from = %s", from), fmt.Sprintf("  to   = %s", to), "}", "",
				"If they are two machines, give one its own host_uuid in libvirtd.conf."}})
	}
}
