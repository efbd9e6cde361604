package planner

import (
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
)

// sortJobs puts the jobs into an order in which everything comes after what it waits for, as they were
// decided otherwise, and leaves out what has no legal order.
func (c *computation) sortJobs() {
	sorted := make([]*job, 0, len(c.jobs))
	visited := make(map[*job]bool, len(c.jobs))
	var visit func(j *job)
	visit = func(j *job) {
		if visited[j] {
			return
		}
		visited[j] = true
		for _, before := range j.after {
			visit(before)
			j.dropped = j.dropped || before.dropped && !j.existing
		}
		sorted = append(sorted, j)
	}
	for _, j := range c.jobs {
		visit(j)
	}
	c.jobs = sorted
}

// finish numbers the operations and makes the plan.
func (c *computation) finish() *Plan {
	c.price()
	n := 0
	c.plan.Operations = slices.Grow(c.plan.Operations, len(c.jobs))
	for _, j := range c.jobs {
		if j.existing || j.dropped {
			continue
		}
		n++
		j.op.ID = state.OperationID(c.st, n)
		j.op.Revision = c.st.Revision
		for _, before := range j.after {
			j.op.After = append(j.op.After, before.op.ID)
		}
		slices.SortFunc(j.op.After, state.CompareIDs)
		c.plan.Operations = append(c.plan.Operations, j.op)
		if j.change != nil {
			j.change.Operations = append(j.change.Operations, j.op.ID)
		}
	}
	c.lines()
	c.count()
	c.plan.Digest = digest(c.plan)
	return c.plan
}

// lines orders the changes for people: hosts, what is under way, what goes, what is interrupted, what
// changes, what moves, what comes.
func (c *computation) lines() {
	dropped := map[*Change]bool{}
	for _, j := range c.jobs {
		if j.dropped && j.change != nil && len(j.change.Operations) == 0 {
			dropped[j.change] = true
		}
	}
	changes := slices.DeleteFunc(c.changes, func(ch *Change) bool { return dropped[ch] })
	slices.SortStableFunc(changes, func(a, b *Change) int { return rankOfLine(a) - rankOfLine(b) })
	c.plan.Changes = make([]Change, len(changes))
	for i, ch := range changes {
		c.plan.Changes[i] = *ch
	}
}

func rankOfLine(ch *Change) int {
	switch {
	case ch.Address.Kind() != "instance":
		return 0
	case ch.Action == ActContinue:
		return 1
	case ch.Action == ActTerminate, ch.Action == ActForget:
		return 2
	case ch.Interrupts:
		return 3
	case ch.Action == ActMigrateLive, ch.Action == ActMigrateCold, ch.Action == ActEvacuate:
		return 5
	case ch.Action == ActCreate:
		return 6
	}
	return 4
}

// count fills the summary.
func (c *computation) count() {
	s := &c.plan.Summary
	s.Hosts, s.Instances, s.Unplaced = len(c.spec.Hosts), len(c.spec.Instances), len(c.plan.Unplaced)
	for i := range c.plan.Changes {
		ch := &c.plan.Changes[i]
		switch ch.Action {
		case ActCreate:
			s.Create++
		case ActTerminate:
			s.Terminate++
		case ActMigrateLive:
			s.Live++
		case ActMigrateCold:
			s.Cold++
		case ActEvacuate:
			s.Evacuate++
		case ActRestart:
			s.Restart++
		case ActContinue, ActUpload:
		default:
			s.Change++
		}
		if ch.Interrupts && ch.Action != ActTerminate {
			s.Interrupt++
		}
	}
}

// Blocked returns the first error that forbids to approve the plan, even in part, or nil.
func (p *Plan) Blocked() *Message {
	for i := range p.Errors {
		if p.Errors[i].Blocks {
			return &p.Errors[i]
		}
	}
	return nil
}

// Empty reports whether there is nothing to do: no line, no operation, nothing withdrawn.
func (p *Plan) Empty() bool {
	return len(p.Changes) == 0 && len(p.Operations) == 0 && len(p.Cancel) == 0
}
