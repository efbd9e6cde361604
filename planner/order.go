package planner

import (
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
	"github.com/novaplan/novaplan/spec"
)

// order makes a graph of the jobs: what frees room comes before what needs it, so that no
// intermediate step overcommits a host or breaks a group's policy.
//
// Placement made sure that everything fits once all is done. So a host needs care only when it has
// both arrivals and departures, and its arrivals don't all fit while nobody has left. For those
// hosts the jobs are carried out here, in a fleet as it is now, one after the other whenever one fits;
// what an arrival had to wait for becomes its After. What never fits is a circle: a hop over a third
// host may break it, else it is reported and left out.
func (c *computation) order() {
	c.chain()
	c.stayTogether()
	c.depend()
	o := &ordering{computation: c, tight: map[int]*tightHost{}}
	if slices.ContainsFunc(c.jobs, func(j *job) bool { return j.from >= 0 }) {
		o.findTight()
	}
	o.findFull()
	if len(o.tight) > 0 || len(o.full) > 0 {
		o.carryOut()
	}
	c.sortJobs()
}

// chain puts the jobs of one instance one after the other: put the record right, then restore, then
// move, then change the power.
func (c *computation) chain() {
	last := map[spec.Address]*job{}
	for rank := range 4 {
		for _, j := range c.jobs {
			if j.existing || j.op.Instance == "" || rankOf(j) != rank {
				continue
			}
			if before := last[j.op.Instance]; before != nil && !slices.Contains(j.after, before) {
				j.after = append(j.after, before)
				if before.to >= 0 && j.op.Action != state.Migrate {
					j.op.From = "" // where that one ends up: it may be sent elsewhere when it fails
				}
			}
			last[j.op.Instance] = j
		}
	}
}

func rankOf(j *job) int {
	switch {
	case j.op.Action == state.Create, j.op.Action == state.Redefine:
		return 0
	case j.op.Action == state.Rebuild:
		return 1
	case j.op.Action == state.Migrate:
		return 2
	}
	return 3
}

// ordering carries the jobs out in a fleet as it is now.
type ordering struct {
	*computation
	now   *placement.Fleet
	tight map[int]*tightHost
	full  map[string]*fullPool // shared pools by path
	done  map[*job]bool
	// moved are the moves and terminations carried out, by affinity group: what joins the group comes
	// after them.
	moved map[spec.Address][]*job
}

// tightHost is a host whose arrivals don't all fit before somebody left.
type tightHost struct {
	left    []*job // departures carried out, in order
	arrived []*job
	circles bool // a departure goes to a tight host too: arrivals keep their order here
}

// findTight finds the hosts where order matters.
func (o *ordering) findTight() {
	arrivals, departures := map[int][]*job{}, map[int]bool{}
	for _, j := range o.jobs {
		if at := o.arrives(j); at >= 0 {
			arrivals[at] = append(arrivals[at], j)
		}
		if j.from >= 0 {
			departures[j.from] = true
		}
	}
	trial := o.newFleet()
	for at := range o.hosts {
		for _, j := range arrivals[at] {
			if !departures[at] && !o.affine(j) {
				continue
			}
			if o.fits(trial, at, j) {
				trial.Put(at, j.occupant)
			} else {
				o.tight[at] = &tightHost{}
			}
		}
	}
	for _, j := range o.jobs {
		if t := o.tight[j.from]; t != nil && o.tight[j.to] != nil {
			t.circles = true
		}
	}
}

// affine: where the others of its group are decides whether a job can start.
func (o *ordering) affine(j *job) bool {
	g := o.index.Groups[j.occupant.Group]
	return g != nil && g.Policy == spec.Affinity
}

// arrives returns the host that a job takes room on, -1 when it takes none or has it already.
func (o *ordering) arrives(j *job) int {
	if j.existing && j.op.Phase != state.Pending {
		return -1
	}
	return j.to
}

// carryOut runs the jobs in the fleet as it is now until none is left or none can go on.
func (o *ordering) carryOut() {
	o.now, o.done, o.moved = o.newFleet(), map[*job]bool{}, map[spec.Address][]*job{}
	left := slices.Clone(o.jobs)
	slices.SortStableFunc(left, func(a, b *job) int { return urgency(a) - urgency(b) })
	for len(left) > 0 {
		var blocked []*job
		for _, j := range left {
			if !o.step(j) {
				blocked = append(blocked, j)
			}
		}
		if len(blocked) == len(left) && !o.hop(blocked) {
			o.giveUp(blocked)
			return
		}
		left = blocked
	}
}

// urgency: what frees room goes first.
func urgency(j *job) int {
	switch {
	case j.existing:
		return 0
	case j.op.Action == state.Terminate:
		return 1
	case j.op.Action == state.Migrate:
		return 2
	}
	return 3
}

// step carries out a job if it can start now.
func (o *ordering) step(j *job) bool {
	for _, before := range j.after {
		if !o.done[before] {
			return false
		}
	}
	if at := o.arrives(j); at >= 0 {
		if !o.fits(o.now, at, j) {
			return false
		}
		o.wait(j, at)
		o.waitForSpace(j, at)
		if o.affine(j) {
			for _, m := range o.moved[j.occupant.Group] {
				if m.op.Unit == "" || m.op.Unit != j.op.Unit {
					o.comeAfter(j, m)
				}
			}
		}
		o.now.Put(at, j.occupant)
	}
	if j.from >= 0 {
		if j.op.Action == state.Terminate {
			o.now.Terminate(j.from, j.occupant)
		} else {
			o.now.Remove(j.from, j.occupant)
		}
		o.moved[j.occupant.Group] = append(o.moved[j.occupant.Group], j)
		if t := o.tight[j.from]; t != nil {
			t.left = append(t.left, j)
		}
		if p := o.full[j.occupant.Pool.Dir()]; p != nil && j.op.Action == state.Terminate {
			p.left = append(p.left, j)
		}
	}
	o.done[j] = true
	return true
}

// wait makes an arrival at a tight host come after the departures without which it would not fit.
func (o *ordering) wait(j *job, at int) {
	t := o.tight[at]
	if t == nil {
		return
	}
	var back []*job
	for i := len(t.left) - 1; i >= 0 && o.fits(o.now, at, j); i-- {
		o.now.Put(at, t.left[i].occupant)
		back = append(back, t.left[i])
	}
	needed := len(t.left) - len(back)
	if !o.fits(o.now, at, j) {
		needed++
	}
	for _, d := range back {
		o.now.Remove(at, d.occupant)
	}
	for _, d := range t.left[:min(needed, len(t.left))] {
		o.comeAfter(j, d)
	}
	if t.circles {
		for _, a := range t.arrived {
			o.comeAfter(j, a)
		}
	}
	t.arrived = append(t.arrived, j)
}

func (o *ordering) comeAfter(j, before *job) {
	if j != before && !slices.Contains(j.after, before) {
		j.after = append(j.after, before)
	}
}
