package planner

import (
	"fmt"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
	"github.com/novaplan/novaplan/spec"
)

// host is a host of the spec, or one that left it and still is in the record.
type host struct {
	ordinal   int
	spec      *spec.Host       // nil: it left the spec
	record    *state.Host      // nil: new
	seen      *HostObservation // nil: nobody looked
	reachable bool             // seen, answering and not another cluster's
	refusal   string           // why nothing is placed there
	claim     *job
	zone      string
}

func (h *host) address() spec.Address {
	if h.spec != nil {
		return h.spec.Address
	}
	return h.record.Address
}

func (h *host) name() string {
	switch {
	case h.spec != nil && h.spec.Name != "":
		return h.spec.Name
	case h.record != nil && h.record.Name != "":
		return h.record.Name
	}
	return h.address().Short()
}

// inventory is what was seen, else what is recorded, else nothing.
func (h *host) inventory() *state.Inventory {
	switch {
	case h.seen != nil && h.seen.Reachable:
		return &h.seen.Inventory
	case h.record != nil:
		return &h.record.Inventory
	}
	return &state.Inventory{}
}

func (h *host) mode() spec.Mode {
	if h.spec == nil || h.spec.Mode == "" {
		return spec.ModeActive
	}
	return h.spec.Mode
}

// lookAtHosts fills hosts and says what is wrong with them.
func (c *computation) lookAtHosts() {
	for i := range c.spec.Hosts {
		c.addHost(&host{spec: &c.spec.Hosts[i]})
	}
	for address, rec := range c.st.Hosts.All() {
		if h := c.hostAt[spec.Address(address)]; h != nil {
			h.record = rec
		} else {
			c.addHost(&host{record: rec})
		}
	}
	twins := map[string]*host{}
	for _, h := range c.hosts {
		h.seen = c.obs.Hosts[h.address()]
		if h.spec != nil {
			c.judge(h, twins)
			c.modeChange(h)
		}
	}
	for _, h := range c.hosts {
		if h.spec == nil {
			h.reachable = c.leavesInOrder(h)
		}
	}
	c.refuseOldCopy()
	c.lookForUnread()
	c.buildFleet()
}

func (c *computation) addHost(h *host) {
	h.ordinal = len(c.hosts)
	h.zone = placement.DefaultZone
	if h.spec != nil {
		if z := c.index.Zones[h.spec.Zone]; z != nil {
			h.zone = z.Name
		}
	}
	c.hosts = append(c.hosts, h)
	c.hostAt[h.address()] = h
}

// judge decides whether a host of the spec can be touched and used.
func (c *computation) judge(h *host, twins map[string]*host) {
	switch {
	case h.seen == nil:
		h.refusal = "was not looked at"
		c.plan.Summary.Unseen++
		c.warn(Message{Code: CodeHostUnseen, Address: h.address(), Source: h.spec.Source,
			Summary: h.name() + " was not looked at: nothing is decided about it"})
		return
	case !h.seen.Reachable:
		h.refusal = "doesn't answer"
		c.plan.Summary.Unseen++
		c.warnUnreachable(h)
		return
	case h.seen.Inventory.Owner != "" && h.seen.Inventory.Owner != c.st.ClusterID:
		h.refusal = "is claimed by another cluster"
		c.fail(Message{Code: CodeHostForeign, Address: h.address(), Source: h.spec.Source,
			Summary: fmt.Sprintf("%s is claimed by cluster %s, not by this one", h.name(), h.seen.Inventory.Owner),
			Detail: []string{"Nothing is touched there. If that cluster is gone, or this is a copy of its folder,",
				"`novaplan takeover` claims the host and rebuilds the record from what runs on it."}})
		return
	}
	if Replaced(c.st, h.address(), h.seen.Inventory) {
		c.answersAsAnother(h)
		return
	}
	if uuid := h.seen.Inventory.UUID; uuid != "" {
		if other := twins[uuid]; other != nil {
			h.refusal = "is the same machine as " + other.name()
			c.fail(Message{Code: CodeHostTwin, Address: h.address(), Source: h.spec.Source,
				Summary: fmt.Sprintf("%s and %s have the same host UUID %s", other.name(), h.name(), uuid),
				Detail:  []string{"Two addresses of one machine would run its guests twice. Remove one block, or give", "one of the hosts its own host_uuid in libvirtd.conf."}})
			return
		}
		twins[uuid] = h
	}
	h.reachable = true
	c.usable(h)
}

// leavesInOrder: a host that left the spec is still ours, so that what is on it can be seen and taken away.
func (c *computation) leavesInOrder(h *host) bool {
	return h.seen != nil && h.seen.Reachable && h.seen.Claimed && !Replaced(c.st, h.address(), h.seen.Inventory) && c.sameMachine(h) == nil
}

// claimHosts claims what is reachable and nobody's, unless that is under way.
func (c *computation) claimHosts() {
	for _, h := range c.hosts {
		if h.spec != nil && h.reachable && !h.seen.Claimed && h.claim == nil && !c.holds(h.address()) && !c.leaves(unclaimed(h).Code) {
			c.claim(h)
		}
	}
}

// usable sets the refusal of a reachable host.
func (c *computation) usable(h *host) {
	switch h.mode() {
	case spec.ModeCordon:
		h.refusal = "is cordoned"
	case spec.ModeDrain:
		h.refusal = "is draining"
	case spec.ModeFenced:
		h.refusal = "is fenced"
	}
	if v := h.seen.Inventory.Verdict; v != "" {
		h.refusal = v
		c.warn(Message{Code: CodeHostVerdict, Address: h.address(), Source: h.spec.Source,
			Summary: fmt.Sprintf("nothing is placed on %s: %s", h.name(), v)})
	}
}

func (c *computation) warnUnreachable(h *host) {
	why := h.seen.Error
	if why == "" {
		why = "no answer"
	}
	if !h.seen.LastSeen.IsZero() {
		why += "; last seen " + h.seen.LastSeen.UTC().Format(time.RFC3339)
	}
	m := Message{Code: CodeHostUnreachable, Address: h.address(), Source: h.spec.Source,
		Summary: fmt.Sprintf("%s doesn't answer (%s)", h.name(), why)}
	if n := c.guests(h); n > 0 {
		m.Detail = []string{fmt.Sprintf("Its %s left alone and may still run; fence it before mode = \"fenced\".", counted(n, "guest is", "guests are"))}
	}
	c.warn(m)
}

// guests counts the instances recorded on h.
func (c *computation) guests(h *host) int {
	n := 0
	for _, in := range c.st.Instances.All() {
		if in.Host == h.address() {
			n++
		}
	}
	return n
}

func (c *computation) claim(h *host) {
	reason := unclaimed(h)
	h.claim = c.add(&job{
		op:   state.Operation{Action: state.ClaimHost, To: h.address(), Reason: reason},
		from: -1, to: -1,
	}, &Change{Address: h.address(), Name: h.name(), Action: ActClaim, To: h.address(), Reason: reason})
}

// modeChange shows a mode that a proposal changes. Setting it is all that is done: what follows from
// it are changes of instances.
func (c *computation) modeChange(h *host) {
	if c.desired.Base == nil {
		return
	}
	was := c.desired.Base.Index.Hosts[h.address()]
	if was == nil || was.Mode == h.spec.Mode {
		return
	}
	c.changes = append(c.changes, &Change{
		Address: h.address(), Name: h.name(), Action: ActUpdate,
		Reason:     state.Reason{Code: ReasonStateChanged, Message: "mode " + string(h.mode()) + at(h.spec.ModeAt)},
		Attributes: []AttributeChange{{Name: "mode", Old: string(was.Mode), New: string(h.spec.Mode)}},
	})
}
