package state

import (
	"github.com/novaplan/novaplan/spec"
)

// Survey records which hosts a takeover could read. While one is unread, what it holds isn't known: instances of the
// spec that are on no other host may run there, with addresses that look free.
type Survey struct {
	Unread []spec.Address `json:"unread,omitempty"`
	Read   []spec.Address `json:"read,omitempty"` // since
	// Gone are hosts of which somebody says that they hold no guest of this fleet, or are off for good.
	Gone []spec.Address `json:"gone,omitempty"`
	By   string         `json:"by,omitempty"`
}

func (t *transition) survey(c *Survey) *Refusal {
	if refused := t.served(); refused != nil {
		return refused
	}
	for _, a := range c.Unread {
		if a == "" {
			return refuse(Invalid, "a survey of no host")
		}
		if t.setUnread(a, true) {
			t.event(Event{Kind: "host", Address: a, By: c.By, Message: "a takeover could not read what is on it"})
		}
	}
	for _, a := range c.Read {
		if t.setUnread(a, false) {
			t.event(Event{Kind: "host", Address: a, By: c.By, Message: "what is on it was read"})
		}
	}
	for _, a := range c.Gone {
		if t.setUnread(a, false) {
			t.event(Event{Kind: "host", Address: a, By: c.By, Message: "said to be off for good, or to hold none of our guests"})
			t.forgetGone(a)
		}
	}
	return nil
}

// setUnread reports whether it made a difference.
func (t *transition) setUnread(address spec.Address, unread bool) bool {
	if h, ok := t.Hosts.Get(string(address)); ok && h.Unread == unread || !ok && !unread {
		return false
	}
	h := t.hostCopy(address)
	h.Unread = unread
	t.Hosts = t.Hosts.With(string(address), h)
	return true
}

// forgetGone drops the record of a gone host that left the spec and was never ours.
func (t *transition) forgetGone(address spec.Address) {
	if h, ok := t.Hosts.Get(string(address)); ok && !h.Claimed {
		t.forgetHost(address)
	}
}

// Unread returns the hosts, in order of address, whose guests a takeover could not read, nor anybody since.
func (st State) Unread() []*Host {
	var unread []*Host
	for _, h := range st.Hosts.All() {
		if h.Unread {
			unread = append(unread, h)
		}
	}
	return unread
}
