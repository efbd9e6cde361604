package state

import "github.com/novaplan/novaplan/spec"

// Desired is a decoded revision: the spec in force, with the indexes that decisions need.
type Desired struct {
	Spec  *spec.Spec
	Index *spec.Index
	// Base is, of a proposal that nobody approved yet, the revision that it would replace. It is nil in
	// the record itself.
	Base *Desired

	policies map[spec.Address]Effective      // of hosts that differ from the fleet's
	updates  map[spec.Address]int            // interruptions allowed at once, by block or group
	members  map[spec.Address][]spec.Address // of groups, in spec order
}

// NewDesired indexes s, which must not change afterwards.
func NewDesired(s *spec.Spec) *Desired {
	d := &Desired{Spec: s, Index: spec.NewIndex(s), policies: hostPolicies(s),
		updates: map[spec.Address]int{}, members: map[spec.Address][]spec.Address{}}
	for i := range s.Groups {
		if g := &s.Groups[i]; g.Update != nil {
			d.updates[g.Address] = g.Update.Interruptions()
		}
	}
	for i := range s.Instances {
		in := &s.Instances[i]
		if in.Update != nil {
			d.updates[in.Address.Block()] = in.Update.Interruptions()
		}
		if in.Group != "" {
			d.members[in.Group] = append(d.members[in.Group], in.Address)
		}
	}
	return d
}

// Interruptions returns how many instances of a block or group may be interrupted at once.
func (d *Desired) Interruptions(block spec.Address) int {
	if d != nil {
		if n, ok := d.updates[block]; ok {
			return n
		}
	}
	return 1
}

// Parallel returns how many migrations may be under way: with one host at either end, and in total.
func (d *Desired) Parallel() (perHost, total int) {
	perHost, total = DefaultParallelPerHost, DefaultParallelTotal
	if d != nil && d.Spec != nil {
		override(&perHost, d.Spec.Migration.ParallelPerHost)
		override(&total, d.Spec.Migration.ParallelTotal)
	}
	return perHost, total
}

// Group returns the server group of an instance of the spec, or nil.
func (d *Desired) Group(instance spec.Address) *spec.ServerGroup {
	if d == nil || d.Index == nil {
		return nil
	}
	in := d.Index.Instances[instance]
	if in == nil || in.Group == "" {
		return nil
	}
	return d.Index.Groups[in.Group]
}

// Members returns the instances of the spec that are in a server group, in spec order. The caller must
// not change them.
func (d *Desired) Members(group spec.Address) []spec.Address { return d.members[group] }
