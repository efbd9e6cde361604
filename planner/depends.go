package planner

import (
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// depend puts what is made or started after what its instance's depends_on names, and takes things away
// in the opposite order. What isn't touched by this plan is waited for by nobody.
func (c *computation) depend() {
	if !c.anyDependsOn() {
		return
	}
	blocks := c.blocks()
	ups, downs := c.byInstance(comesUp), c.byInstance(func(j *job) bool { return j.op.Action == state.Terminate })
	guard := &dependencies{after: map[spec.Address][]spec.Address{}}
	for i := range c.spec.Instances {
		in := &c.spec.Instances[i]
		for _, name := range in.DependsOn {
			for _, on := range c.expand(name, blocks) {
				if !guard.add(in.Address, on) {
					c.circularDependency(in, on)
					continue
				}
				link(ups[in.Address], ups[on])
			}
		}
	}
	// What goes is described by the spec that is replaced.
	base := c.base().Spec.Instances
	for i := range base {
		for _, on := range base[i].DependsOn {
			link(downs[on], downs[base[i].Address])
		}
	}
}

func (c *computation) anyDependsOn() bool {
	has := func(in spec.Instance) bool { return len(in.DependsOn) > 0 }
	return slices.ContainsFunc(c.spec.Instances, has) || slices.ContainsFunc(c.base().Spec.Instances, has)
}

func comesUp(j *job) bool {
	return j.op.Action == state.Create || j.op.Action == state.StartUp || j.op.Action == state.Rebuild
}

// byInstance returns the new jobs of a kind.
func (c *computation) byInstance(kind func(*job) bool) map[spec.Address][]*job {
	found := map[spec.Address][]*job{}
	for _, j := range c.jobs {
		if !j.existing && kind(j) {
			found[j.op.Instance] = append(found[j.op.Instance], j)
		}
	}
	return found
}

// expand returns the instances that an address names: itself, or all of a block.
func (c *computation) expand(a spec.Address, blocks map[spec.Address][]spec.Address) []spec.Address {
	if c.index.Instances[a] != nil {
		return []spec.Address{a}
	}
	return blocks[a]
}

// blocks returns the instances of each block.
func (c *computation) blocks() map[spec.Address][]spec.Address {
	all := map[spec.Address][]spec.Address{}
	for i := range c.spec.Instances {
		a := c.spec.Instances[i].Address
		all[a.Block()] = append(all[a.Block()], a)
	}
	return all
}

func link(later, earlier []*job) {
	for _, j := range later {
		for _, before := range earlier {
			if !slices.Contains(j.after, before) {
				j.after = append(j.after, before)
			}
		}
	}
}

func (c *computation) circularDependency(in *spec.Instance, on spec.Address) {
	c.fail(Message{Code: CodeCircular, Address: in.Address, Source: in.Source,
		Summary: fmt.Sprintf("%s depends on %s, which depends on it", in.Address, on),
		Detail:  []string{"This one dependency is left out. Remove one of them."}})
}

// dependencies is the graph of depends_on, kept free of circles.
type dependencies struct {
	after map[spec.Address][]spec.Address
}

// add notes that a depends on b, unless b already depends on a.
func (d *dependencies) add(a, b spec.Address) bool {
	if a == b || d.reaches(b, a, map[spec.Address]bool{}) {
		return false
	}
	d.after[a] = append(d.after[a], b)
	return true
}

func (d *dependencies) reaches(from, to spec.Address, seen map[spec.Address]bool) bool {
	for _, next := range d.after[from] {
		if next == to {
			return true
		}
		if !seen[next] {
			seen[next] = true
			if d.reaches(next, to, seen) {
				return true
			}
		}
	}
	return false
}
