package planner

import (
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
	"github.com/novaplan/novaplan/spec"
)

// buildFleet makes the picture that placement works on: hosts with what is taken of them now.
func (c *computation) buildFleet() {
	c.fleet = c.newFleet()
	c.policy = placement.New(c.spec.Scheduler)
	c.pick = placement.NewIndex(c.policy, c.fleet)
}

// newFleet returns the fleet as it is now: every instance where it is recorded, running migrations at
// both ends, foreign domains counted.
func (c *computation) newFleet() *placement.Fleet {
	aggregates := map[spec.Address][]*spec.Aggregate{}
	for i := range c.spec.Aggregates {
		a := &c.spec.Aggregates[i]
		for _, h := range a.Hosts {
			aggregates[h] = append(aggregates[h], a)
		}
	}
	used, space := state.UsageOf(c.st), state.PoolUsageOf(c.st)
	hosts := make([]*placement.Host, len(c.hosts))
	taken := make([]state.Usage, len(c.hosts))
	for i, h := range c.hosts {
		hosts[i] = c.candidate(h, aggregates[h.address()], space)
		taken[i] = used[h.address()].Plus(h.inventory().Foreign)
	}
	f := placement.NewFleet(hosts, taken)
	for _, in := range c.st.Instances.All() {
		if h := c.hostAt[in.Host]; h != nil {
			f.Join(h.ordinal, c.occupant(in))
		}
	}
	for _, op := range c.st.Operations.All() {
		if op.Action != state.Migrate || op.Phase != state.RunningOp && op.Phase != state.Revoking {
			continue
		}
		if in, ok := c.st.Instances.Get(string(op.Instance)); ok && c.hostAt[op.To] != nil {
			f.Join(c.hostAt[op.To].ordinal, c.occupant(in))
		}
	}
	return f
}

// occupant is what a recorded instance takes of a host. Its group is the one wanted now.
func (c *computation) occupant(in *state.Instance) placement.Occupant {
	o := placement.Occupant{Instance: in.Address, Size: in.Size, Pool: in.Pool, TrashMiB: c.written(in)}
	if want := c.index.Instances[in.Address]; want != nil {
		o.Group = want.Group
	}
	return o
}

// written is what the disks of a recorded instance were seen to take of their pool, in MiB.
func (c *computation) written(in *state.Instance) int64 {
	by := c.obs.Written
	if h := c.obs.Hosts[in.Host]; !in.Pool.Shared && h != nil {
		by = h.Written
	}
	if len(by) == 0 {
		return 0
	}
	total := int64(0)
	for _, d := range in.Disks {
		total += by[d.Path]
	}
	return min(total, in.Size.TotalDiskMiB())
}

// hasSpace reports whether the pool of the occupant's disks takes them now. In a shared pool an instance that
// moves takes no more than it has.
func (c *computation) hasSpace(f *placement.Fleet, at int, o placement.Occupant) bool {
	p := f.Hosts[at].Pool(o.Pool)
	if p.Shared && len(f.Places(o.Instance)) > 0 {
		return true
	}
	return f.Hosts[at].Limits.FitsPool(o.Size, o.Pool, p.Room, p.Used()) == nil
}

// fits reports whether the host takes the occupant now, by room and by group.
func (c *computation) fits(f *placement.Fleet, at int, j *job) bool {
	occ := j.occupant
	h := f.Hosts[at]
	if lack := h.Limits.Fits(occ.Size, h.Used()); lack != nil && (lack.Filter != "num_instances" || c.policy.Uses(lack.Filter)) {
		return false
	}
	if !c.hasSpace(f, at, occ) {
		return false
	}
	g := c.index.Groups[occ.Group]
	switch {
	case g == nil:
		return true
	case g.Policy == spec.AntiAffinity:
		return f.Members(g.Address, at) < max(1, g.MaxServerPerHost)
	case g.Policy == spec.Affinity:
		for _, other := range f.MemberHosts(g.Address) {
			if other != at && (other != j.from || f.Members(g.Address, other) > 1 && j.op.Unit != g.Address) {
				return false
			}
		}
	}
	return true
}
