package planner

import (
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// Unread reports whether it isn't known what a host holds: the takeover that made the record could not read it, and
// neither can this look, or it sees guests that only another takeover can tell everything about.
func Unread(st state.State, address spec.Address, seen *HostObservation) bool {
	h, ok := st.Hosts.Get(string(address))
	if !ok || !h.Unread {
		return false
	}
	if seen == nil || !seen.Reachable {
		return true
	}
	return slices.ContainsFunc(seen.Domains, func(d Domain) bool {
		in, recorded := st.Instances.Get(string(d.Address))
		return d.Cluster != "" && !(d.Cluster == st.ClusterID && recorded && in.UUID == d.UUID)
	})
}

// lookForUnread says which hosts hold nobody knows what. While there is one, nothing new is made: it may run there
// already, and addresses that look free may be in use there.
func (c *computation) lookForUnread() {
	for _, h := range c.hosts {
		if h.record == nil || !Unread(c.st, h.address(), h.seen) {
			continue
		}
		c.unread = append(c.unread, h.name())
		m := Message{Code: CodeHostUnread, Address: h.address(),
			Summary: fmt.Sprintf("%s was not seen by the takeover: nobody knows what runs there, so nothing new is created", h.name()),
			Detail: []string{"Make it answer, and run `novaplan takeover` again. If it is off for good, or never held guests of this fleet,",
				fmt.Sprintf("say so: `novaplan takeover -host-gone %s`.", h.name())}}
		if h.seen != nil && h.seen.Reachable {
			m.Detail = []string{"It answers again: run `novaplan takeover`."}
		}
		if h.spec != nil {
			m.Source = h.spec.Source
		}
		c.warn(m)
	}
}

// mayBeElsewhere reports whether an instance that has no place in the record could have one that the record
// doesn't know, or could get the address of one. The caller doesn't make it.
func (c *computation) mayBeElsewhere(in *spec.Instance) bool {
	if len(c.unread) == 0 {
		return false
	}
	where := joinNames(c.unread, 4)
	summary := fmt.Sprintf("%s is not created: it may be on %s, which takeover didn't see", in.Address, where)
	if _, known := c.st.Lives.Get(string(in.Address)); known { // this record has seen it end
		if !c.assigns(in) {
			return false
		}
		summary = fmt.Sprintf("%s is not created: the address that it would get may be in use on %s, which takeover didn't see", in.Address, where)
	}
	c.fail(Message{Code: CodeUnread, Address: in.Address, Source: in.Source, Summary: summary})
	return true
}

// assigns reports whether an address is assigned to an instance from an allocation pool.
func (c *computation) assigns(in *spec.Instance) bool {
	return slices.ContainsFunc(in.NICs, func(n spec.NIC) bool {
		network := c.index.Networks[n.Network]
		return n.FixedIP == "" && network != nil && network.CIDR != ""
	})
}
