package planner

import (
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// Propose returns st as if proposed were approved: what Compute previews, and what the leader computes
// again before it commits. What is approved is Desired.Spec of the result, not proposed itself: the
// options and moves that nobody had to write are worked into it.
func Propose(st state.State, proposed *spec.Spec, o Options) state.State {
	base := st.Desired
	if base == nil {
		base = state.NewDesired(&spec.Spec{})
	}
	switch {
	case o.Destroy:
		proposed = DestroySpec(base.Spec, o.Target, o.Exclude)
	case len(o.Target) > 0 || len(o.Exclude) > 0:
		proposed = TargetSpec(base.Spec, proposed, o.Target, o.Exclude)
	}
	if moves := impliedMoves(st, proposed); len(moves) > 0 {
		with := *proposed
		with.Moved = append(slices.Clip(proposed.Moved), moves...)
		proposed = &with
	}
	st = st.Propose(proposed)
	st.Desired.Base = base
	return st
}

// chosen reports whether an address was asked for: named itself, or by its block; all are when only
// exclusions are given.
func chosen(a spec.Address, target, exclude []spec.Address) bool {
	named := func(list []spec.Address) bool {
		return slices.Contains(list, a) || slices.Contains(list, a.Block())
	}
	return (len(target) == 0 || named(target)) && !named(exclude)
}

// TargetSpec returns base with only the chosen addresses replaced by what proposed says of them, and
// with whatever else of proposed these need: blocks that they name and that base doesn't have. What can't
// be without an excluded block is excluded as well. The order is proposed's, with what only base has at
// the end.
func TargetSpec(base, proposed *spec.Spec, target, exclude []spec.Address) *spec.Spec {
	s := *base
	if s.Fleet == "" {
		s.Fleet, s.Stack = proposed.Fleet, proposed.Stack
	}
	known := addressesOf(base)
	out := withoutExcluded(proposed, known, exclude)
	pick := func(a spec.Address) bool { return chosen(a, target, exclude) && !out[a] }
	s.Instances = merge(base.Instances, proposed.Instances, func(b *spec.Instance) spec.Address { return b.Address }, pick)
	need := needed(s.Instances)
	for i := range proposed.Hosts {
		h := &proposed.Hosts[i]
		first := len(base.Hosts) == 0 // a first target needs somewhere to go
		if need[h.Address] = need[h.Address] || first; (need[h.Address] || pick(h.Address)) && !out[h.Address] {
			need[h.Zone] = true
		}
	}
	with := func(a spec.Address) bool { return pick(a) || need[a] && !known[a] && !out[a] }
	s.Zones = merge(base.Zones, proposed.Zones, func(b *spec.Zone) spec.Address { return b.Address }, with)
	s.Hosts = merge(base.Hosts, proposed.Hosts, func(b *spec.Host) spec.Address { return b.Address }, with)
	s.Aggregates = merge(base.Aggregates, proposed.Aggregates, func(b *spec.Aggregate) spec.Address { return b.Address }, with)
	// An instance that names no pool has the only one.
	withPool := func(a spec.Address) bool { return with(a) || len(base.Pools) == 0 }
	s.Aggregates = withoutMissing(s.Aggregates, s.Hosts)
	s.Pools = merge(base.Pools, proposed.Pools, func(b *spec.Pool) spec.Address { return b.Address }, withPool)
	s.Flavors = merge(base.Flavors, proposed.Flavors, func(b *spec.Flavor) spec.Address { return b.Address }, with)
	s.Images = merge(base.Images, proposed.Images, func(b *spec.Image) spec.Address { return b.Address }, with)
	s.Networks = merge(base.Networks, proposed.Networks, func(b *spec.Network) spec.Address { return b.Address }, with)
	s.Groups = merge(base.Groups, proposed.Groups, func(b *spec.ServerGroup) spec.Address { return b.Address }, with)
	s.Keypairs = merge(base.Keypairs, proposed.Keypairs, func(b *spec.Keypair) spec.Address { return b.Address }, with)
	s.Moved = keep(proposed.Moved, func(m *spec.Moved) bool { return pick(m.To) || pick(m.From) })
	s.Removed = keep(proposed.Removed, func(r *spec.Removed) bool { return pick(r.From) })
	if len(target) == 0 || len(base.Hosts) == 0 {
		s.Scheduler, s.Migration = proposed.Scheduler, proposed.Migration
	}
	return &s
}

// withoutExcluded returns what of proposed isn't taken because of exclude: blocks that are excluded and not in
// the base, and hosts and instances that name one of these.
func withoutExcluded(proposed *spec.Spec, known map[spec.Address]bool, exclude []spec.Address) map[spec.Address]bool {
	out := map[spec.Address]bool{}
	if len(exclude) == 0 {
		return out
	}
	lacks := func(a spec.Address) bool {
		return a != "" && !known[a] && (out[a] || slices.Contains(exclude, a) || slices.Contains(exclude, a.Block()))
	}
	for i := range proposed.Hosts {
		h := &proposed.Hosts[i]
		out[h.Address] = lacks(h.Address) || !known[h.Address] && lacks(h.Zone)
	}
	for i := range proposed.Instances {
		in := &proposed.Instances[i]
		out[in.Address] = slices.ContainsFunc(named(in), lacks)
	}
	return out
}

// withoutMissing leaves hosts that aren't there out of aggregates.
func withoutMissing(aggregates []spec.Aggregate, hosts []spec.Host) []spec.Aggregate {
	there := make(map[spec.Address]bool, len(hosts))
	each(hosts, func(h *spec.Host) { there[h.Address] = true })
	out := slices.Clone(aggregates)
	for i := range out {
		out[i].Hosts = keep(out[i].Hosts, func(a *spec.Address) bool { return there[*a] })
	}
	return out
}

// merge takes chosen blocks from proposed and the others from base.
func merge[T any](base, proposed []T, address func(*T) spec.Address, pick func(spec.Address) bool) []T {
	was := make(map[spec.Address]*T, len(base))
	for i := range base {
		was[address(&base[i])] = &base[i]
	}
	var out []T
	for i := range proposed {
		a := address(&proposed[i])
		switch old := was[a]; {
		case pick(a):
			out = append(out, proposed[i])
		case old != nil:
			out = append(out, *old)
		}
		delete(was, a)
	}
	for i := range base {
		a := address(&base[i])
		if was[a] != nil && !pick(a) {
			out = append(out, base[i])
		}
	}
	return out
}

func keep[T any](all []T, want func(*T) bool) []T {
	var out []T
	for i := range all {
		if want(&all[i]) {
			out = append(out, all[i])
		}
	}
	return out
}

// needed are the addresses that instances name.
func needed(instances []spec.Instance) map[spec.Address]bool {
	need := map[spec.Address]bool{}
	for i := range instances {
		for _, a := range named(&instances[i]) {
			need[a] = true
		}
	}
	return need
}

// named are the blocks that an instance can't be without.
func named(in *spec.Instance) []spec.Address {
	list := []spec.Address{in.Flavor, in.Image, in.Pool, in.Zone, in.Host, in.Group, in.Keypair}
	for _, n := range in.NICs {
		list = append(list, n.Network)
	}
	return list
}

// addressesOf returns the addresses of the blocks that instances and hosts can name.
func addressesOf(s *spec.Spec) map[spec.Address]bool {
	known := map[spec.Address]bool{}
	note := func(a spec.Address) { known[a] = true }
	each(s.Zones, func(b *spec.Zone) { note(b.Address) })
	each(s.Hosts, func(b *spec.Host) { note(b.Address) })
	each(s.Pools, func(b *spec.Pool) { note(b.Address) })
	each(s.Flavors, func(b *spec.Flavor) { note(b.Address) })
	each(s.Images, func(b *spec.Image) { note(b.Address) })
	each(s.Networks, func(b *spec.Network) { note(b.Address) })
	each(s.Groups, func(b *spec.ServerGroup) { note(b.Address) })
	each(s.Keypairs, func(b *spec.Keypair) { note(b.Address) })
	return known
}

func each[T any](all []T, do func(*T)) {
	for i := range all {
		do(&all[i])
	}
}

// DestroySpec returns base without the chosen instances, and without its hosts when all instances are
// chosen: these are given back once nothing of ours is left on them.
func DestroySpec(base *spec.Spec, target, exclude []spec.Address) *spec.Spec {
	s := *base
	s.Instances = keep(base.Instances, func(in *spec.Instance) bool { return !chosen(in.Address, target, exclude) })
	if len(target) == 0 && len(exclude) == 0 {
		s.Hosts = nil
	}
	return &s
}
