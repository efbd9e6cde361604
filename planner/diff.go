package planner

import (
	"fmt"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

func (r *record) address() spec.Address {
	if r.want != nil {
		return r.want.Address
	}
	return r.have.Address
}

func (r *record) source() spec.Source {
	if r.want != nil {
		return r.want.Source
	}
	return spec.Source{}
}

// compare sorts every instance of the spec and of the record into the buckets: what is to be made,
// what is to go, and what changes where it is.
func (c *computation) compare() {
	records, removed := c.match()
	c.units = c.affinityGroups()
	var fresh []*spec.Instance
	for i := range c.spec.Instances {
		in := &c.spec.Instances[i]
		if r := records[in.Address]; r != nil {
			c.existing(r)
			c.enlist(r)
		} else if len(c.work[in.Address]) == 0 {
			fresh = append(fresh, in)
		}
	}
	fresh, removed = c.likelyRenames(fresh, removed)
	for _, r := range removed {
		c.remove(r)
	}
	for _, in := range fresh {
		if !c.holds(in.Address) && c.creatable(in) && !c.inTheWay(in) && !c.mayBeElsewhere(in) {
			c.creates = append(c.creates, in)
		}
	}
	c.unclaimRemovedHosts()
}

// match pairs the record with the spec. What is left of the record was removed, in order of address.
func (c *computation) match() (records map[spec.Address]*record, removed []*record) {
	records = make(map[spec.Address]*record, c.st.Instances.Len())
	for _, in := range c.st.Instances.All() {
		r := &record{have: in, host: c.hostAt[in.Host]}
		switch r.want = c.index.Instances[in.Address]; {
		case r.want != nil:
			records[in.Address] = r
		case movedAway(c.spec, in.Address):
			c.notMoved(r)
		default:
			removed = append(removed, r)
		}
	}
	return records, removed
}

// notMoved: a moved block is about r, and the record could not follow it.
func (c *computation) notMoved(r *record) {
	c.fail(Message{Code: CodeMovedTwice, Address: r.have.Address, Blocks: true,
		Summary: fmt.Sprintf("%s can't move to its new address: that is not in the spec, or another instance has it", r.have.Address),
		Detail:  []string{"Nothing happens to it. Mend the `to` of its moved block, or remove the moved block."}})
}

// creatable reports whether an instance of the spec that has no place yet can be made.
func (c *computation) creatable(in *spec.Instance) bool {
	if in.State == spec.Shelved || in.State == spec.Rescued {
		c.fail(Message{Code: CodeUnsupported, Address: in.Address, Source: in.Source,
			Summary: fmt.Sprintf("%s: state %q is not supported yet", in.Address, in.State)})
		return false
	}
	if c.index.Flavors[in.Flavor] == nil || c.index.Images[in.Image] == nil {
		c.fail(Message{Code: CodeUnsupported, Address: in.Address, Source: in.Source,
			Summary: fmt.Sprintf("%s has no flavor or no image", in.Address)})
		return false
	}
	return c.largeEnough(in)
}

// largeEnough: the flavor has what the image says it needs.
func (c *computation) largeEnough(in *spec.Instance) bool {
	flavor, image := c.index.Flavors[in.Flavor], c.index.Images[in.Image]
	var lacks []string
	if flavor.RAM < image.MinRAM {
		lacks = append(lacks, fmt.Sprintf("min_ram is %d MiB, flavor %s has %d", image.MinRAM, flavor.Name, flavor.RAM))
	}
	if flavor.Disk > 0 && flavor.Disk < image.MinDisk {
		lacks = append(lacks, fmt.Sprintf("min_disk is %d MiB, flavor %s has %d", image.MinDisk, flavor.Name, flavor.Disk))
	}
	if len(lacks) == 0 {
		return true
	}
	c.fail(Message{Code: CodeFlavorTooSmall, Address: in.Address, Source: in.Source,
		Summary: fmt.Sprintf("%s: the flavor is too small for image %s", in.Address, image.Name), Detail: lacks})
	return false
}

// touchable reports whether anything may be decided about a recorded instance now.
func (c *computation) touchable(r *record) bool {
	switch {
	case r.host == nil || r.host.spec == nil && r.want != nil:
		return false // said once for the host
	case r.have.Phase == state.Frozen:
		c.warn(Message{Code: CodeFrozen, Address: r.address(), Source: r.source(),
			Summary: fmt.Sprintf("%s is frozen: %s", r.address(), r.have.Why),
			Detail:  []string{"Nothing is done to it until somebody looked at its hosts and says where it runs."}})
		return false
	case r.host.mode() == spec.ModeFenced:
		return false // said once for the host
	case !r.host.reachable, c.holds(r.address()), c.holds(r.have.Host):
		return false
	}
	return len(c.work[r.address()]) == 0
}

// existing decides what happens to an instance that has a place.
func (c *computation) existing(r *record) {
	if !c.touchable(r) {
		return
	}
	if !c.locate(r) {
		return
	}
	r.free = true
	c.unsupported(r)
	c.settings(r)
	c.power(r)
	c.redefined(r)
	if c.draining(r.have.Host) {
		c.drains[r.host.ordinal] = append(c.drains[r.host.ordinal], r)
	} else if reason, misplaced := c.misplaced(r); misplaced {
		r.reason = reason
		c.moves = append(c.moves, r)
	}
}

// act adds a job on an instance where it is, and its line.
func (c *computation) act(r *record, action state.Action, shown ChangeAction, reason state.Reason) *Change {
	ch := &Change{Address: r.address(), Name: r.address().Short(), Action: shown, From: r.have.Host, Reason: reason}
	j := &job{
		op:   state.Operation{Action: action, Instance: r.address(), From: r.have.Host, Reason: reason},
		from: -1, to: -1, occupant: c.occupant(r.have),
	}
	switch action {
	case state.Stop, state.Pause, state.Suspend:
		ch.Interrupts = true
		j.op.Block = interruptionBlock(r.want, c.index)
	}
	c.add(j, ch)
	c.work[r.address()] = append(c.work[r.address()], j)
	return ch
}

// interruptionBlock is whose update limit an interruption of in counts against: its group when that
// has a limit of its own, else its block.
func interruptionBlock(in *spec.Instance, index *spec.Index) spec.Address {
	if g := index.Groups[in.Group]; g != nil && g.Update != nil {
		return g.Address
	}
	return in.Address.Block()
}

// refuseLocked says that a locked instance stays as it is, and reports whether it is locked.
func (c *computation) refuseLocked(r *record, locked, what string) bool {
	if locked == "" {
		return false
	}
	c.fail(Message{Code: CodeLocked, Address: r.address(), Source: r.source(),
		Summary: fmt.Sprintf("%s is locked (%s): %s is refused", r.address(), locked, what),
		Detail:  []string{"Remove `locked`, or take the change back. Recovery and drains go on."}})
	return true
}
