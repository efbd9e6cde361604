package state

import (
	"fmt"
	"reflect"

	"github.com/novaplan/novaplan/spec"
)

// setInventory records what a host has. The version is the record's own count of changes.
func (t *transition) setInventory(c *SetInventory) *Refusal {
	if c.Host == "" {
		return refuse(Invalid, "an inventory of no host")
	}
	h := t.hostCopy(c.Host)
	inv := c.Inventory
	inv.Version = h.Inventory.Version
	if inv.Version > 0 && h.Claimed == c.Claimed && h.Name == c.Name && reflect.DeepEqual(inv, h.Inventory) {
		return nil
	}
	if h.Inventory.Verdict != inv.Verdict {
		message := "usable again"
		if inv.Verdict != "" {
			message = inv.Verdict
		}
		t.event(Event{Kind: "host", Address: c.Host, Message: message})
	}
	inv.Version++
	h.Inventory, h.Claimed = inv, c.Claimed
	if c.Name != "" {
		h.Name = c.Name
	}
	t.Hosts = t.Hosts.With(string(c.Host), h)
	return nil
}

func (t *transition) setClaim(address spec.Address, claimed bool) {
	h := t.hostCopy(address)
	h.Claimed, h.Inventory.Owner = claimed, ""
	if claimed {
		h.Inventory.Owner = t.ClusterID
	}
	t.Hosts = t.Hosts.With(string(address), h)
}

// forgetHost drops the record of a host that left the spec and is known to hold nothing.
func (t *transition) forgetHost(address spec.Address) {
	if h, ok := t.Hosts.Get(string(address)); ok && h.Unread {
		return
	}
	if t.Desired.host(address) == nil && len(t.Residents(address)) == 0 {
		t.Hosts = t.Hosts.Without(string(address))
	}
}

// forgetHosts drops the records of hosts that are not in the spec and that nothing ever came of: they are
// not claimed, nothing is on them and nothing is about to happen there.
func (t *transition) forgetHosts() {
	open := map[spec.Address]bool{}
	for _, op := range t.Operations.All() {
		if !op.Phase.Final() {
			open[op.From], open[op.To] = true, true
		}
	}
	for _, h := range t.Hosts.All() {
		if !h.Claimed && !open[h.Address] {
			t.forgetHost(h.Address)
		}
	}
}

// Purgeable returns the trash whose files may be deleted now, by replicated time: its retention has
// expired and no clock jumped within the last day.
func (st State) Purgeable() []*Trash {
	var due []*Trash
	if st.purgesWait() {
		return nil
	}
	for _, trash := range st.Trash.All() {
		if !st.Time.Before(trash.Expires) {
			due = append(due, trash)
		}
	}
	return due
}

func (st State) purgesWait() bool {
	return !st.ClockJump.IsZero() && st.Time.Before(st.ClockJump.Add(jumpHoldsBack))
}

// purge drops trash whose files were deleted, which only Purgeable allows; the same is checked again.
func (t *transition) purge(c *Purge) *Refusal {
	if t.purgesWait() {
		return refuse(NotReady, "a clock jumped at %s: nothing is deleted for %s", t.ClockJump.Format("2006-01-02 15:04:05"), jumpHoldsBack)
	}
	for _, id := range c.Trash {
		trash, ok := t.Trash.Get(id)
		if ok && t.Time.Before(trash.Expires) {
			return refuse(NotReady, "the disks of %s are kept until %s", trash.Instance, trash.Expires.Format("2006-01-02 15:04:05"))
		}
	}
	for _, id := range c.Trash {
		if trash, ok := t.Trash.Get(id); ok {
			t.Trash = t.Trash.Without(id)
			t.event(Event{Kind: "trash", Address: trash.Instance, Message: fmt.Sprintf("disks of %s deleted", trash.UUID)})
		}
	}
	return nil
}

// restore takes instances into the record that were found by their stamps.
func (t *transition) restore(c *Restore) *Refusal {
	for i := range c.Instances {
		in := &c.Instances[i]
		if in.Address == "" || in.UUID == "" || in.Host == "" {
			return refuse(Invalid, "a restored instance needs address, uuid and host, not %q, %q, %q", in.Address, in.UUID, in.Host)
		}
		if old, ok := t.Instances.Get(string(in.Address)); ok && (old.UUID != in.UUID || old.Generation > in.Generation) {
			return refuse(Invalid, "%s is in the record as %s, generation %d", in.Address, old.UUID, old.Generation)
		}
		if op := t.Busy(in.Address); op != nil {
			return refuse(WrongPhase, "%s of %s is %s", op.Action, in.Address, op.Phase)
		}
	}
	for i := range c.Instances {
		in := c.Instances[i]
		if in.Phase == "" {
			in.Phase = Active
		}
		t.setInstance(&in)
		if lives, _ := t.Lives.Get(string(in.Address)); lives < in.Incarnation {
			t.Lives = t.Lives.With(string(in.Address), in.Incarnation)
		}
	}
	t.event(Event{Kind: "takeover", By: c.By, Request: c.Request, From: c.From, Message: fmt.Sprintf("%d instances taken from what is on the hosts", len(c.Instances))})
	return nil
}
