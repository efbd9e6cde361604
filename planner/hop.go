package planner

import (
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
	"github.com/novaplan/novaplan/spec"
)

// hop breaks a circle: one of the blocked moves goes to a third host first, which makes room for the
// others, and from there to where it belongs. It reports whether it found one.
func (o *ordering) hop(blocked []*job) bool {
	for _, j := range blocked {
		if j.op.Action != state.Migrate || j.existing || j.op.Unit != "" || j.op.Reason.Code == ReasonHop || !o.ready(j) {
			continue
		}
		via := o.via(j)
		if via < 0 {
			continue
		}
		o.split(j, via)
		return true
	}
	return false
}

// ready: nothing but room is missing.
func (o *ordering) ready(j *job) bool {
	for _, before := range j.after {
		if !o.done[before] {
			return false
		}
	}
	return true
}

// via picks the third host, as things are now. Where the instance is pinned or zoned to is where it
// goes in the end, not on the way.
func (o *ordering) via(j *job) int {
	in, ok := o.st.Instances.Get(string(j.op.Instance))
	want := o.index.Instances[j.op.Instance]
	if !ok || want == nil {
		return -1
	}
	q := o.moveRequest(&record{have: in, want: want})
	q.Host, q.Zone = "", ""
	q.Tried = append(q.Tried, j.op.From, j.op.To)
	o.now.Remove(j.from, j.occupant)
	p := o.policy.Rank(o.now, q, false)
	o.now.Put(j.from, j.occupant)
	return o.ordinalOf(p)
}

func (o *ordering) ordinalOf(p *placement.Placement) int {
	if p.Host == "" {
		return -1
	}
	return o.ordinal(p.Host)
}

// split makes the move two: over via, and then home.
func (o *ordering) split(j *job, via int) {
	first := &job{
		op: state.Operation{Action: state.Migrate, Instance: j.op.Instance, From: j.op.From, To: o.hosts[via].address(), Kind: j.op.Kind, Size: j.op.Size,
			Phase: state.Pending, Reason: state.Reason{Code: ReasonHop, Message: fmt.Sprintf("makes room on %s, on the way to %s", o.hosts[j.from].name(), o.hosts[j.to].name())}},
		from: j.from, to: via, occupant: j.occupant, after: j.after, change: j.change,
	}
	if claim := o.hosts[via].claim; claim != nil {
		first.after = append(first.after, claim)
	}
	j.op.From, j.from, j.after = first.op.To, via, []*job{first}
	j.op.Reason.Code = ReasonHop
	o.jobs = append(o.jobs, first)
	o.step(first)
	if j.change != nil {
		j.change.Details = append(j.change.Details, "over "+o.hosts[via].name()+", which makes room for a swap")
		j.change.Bytes *= 2
	}
}

// wholeUnits adds what belongs to the moves of groups that can't be carried out completely.
func (o *ordering) wholeUnits(blocked []*job) []*job {
	given := map[spec.Address]bool{}
	for _, j := range blocked {
		given[j.op.Unit] = j.op.Unit != "" && !j.existing
	}
	all := slices.Clone(blocked)
	for _, j := range o.jobs {
		if given[j.op.Unit] && !slices.Contains(blocked, j) {
			all = append(all, j)
		}
	}
	return all
}

// giveUp leaves out what no order allows, and says so.
func (o *ordering) giveUp(blocked []*job) {
	blocked = o.wholeUnits(blocked)
	for _, j := range blocked {
		j.dropped = true
		if j.existing {
			j.dropped = false
			continue
		}
		if j.change == nil || j.op.Action != state.Migrate && j.op.Action != state.Create {
			continue
		}
		source := o.index.Instances[j.op.Instance].Source
		o.plan.Unplaced = append(o.plan.Unplaced, Unplaced{Address: j.op.Instance, Source: source,
			Reason: state.Reason{Code: CodeNoOrder, Message: "would fit on " + o.hosts[j.to].name() + " in the end, but nothing can make the first step"}})
		o.fail(Message{Code: CodeNoOrder, Address: j.op.Instance, Source: source,
			Summary: fmt.Sprintf("%s can't go to %s: every order of steps would overcommit a host", j.op.Instance, o.hosts[j.to].name()),
			Detail:  []string{"A swap of full hosts needs room on a third one. Add a host, or free some room."}})
	}
}
