package planner

import (
	"github.com/novaplan/novaplan/cluster/state"
)

// fullPool is a shared pool in which not everything that is made fits before something else is gone, on
// whatever hosts.
type fullPool struct {
	left []*job // terminations carried out, in order
}

// findFull finds the shared pools where order matters.
func (o *ordering) findFull() {
	wanted, leaves := map[string]int64{}, map[string]bool{}
	for _, j := range o.jobs {
		dir := j.occupant.Pool.Dir()
		switch {
		case !o.shared[dir]:
		case j.op.Action == state.Terminate:
			leaves[dir] = true
		case o.makes(j):
			wanted[dir] += j.occupant.Size.TotalDiskMiB()
		}
	}
	if len(leaves) == 0 || len(wanted) == 0 {
		return
	}
	o.full = map[string]*fullPool{}
	now := o.newFleet()
	for _, j := range o.jobs {
		dir := j.occupant.Pool.Dir()
		if !o.makes(j) || !leaves[dir] || o.full[dir] != nil {
			continue
		}
		if p := now.Hosts[j.to].Pool(j.occupant.Pool); p.Used()+wanted[dir] > p.AllowedMiB {
			o.full[dir] = &fullPool{}
		}
	}
}

// makes: the job takes space that nobody has now.
func (o *ordering) makes(j *job) bool { return j.op.Action == state.Create && o.arrives(j) >= 0 }

// waitForSpace makes what is new in a full pool come after the terminations without which it would not fit.
func (o *ordering) waitForSpace(j *job, at int) {
	full := o.full[j.occupant.Pool.Dir()]
	if full == nil || !o.makes(j) {
		return
	}
	p := o.now.Hosts[at].Pool(j.occupant.Pool)
	spare := p.AllowedMiB - p.Used() - j.occupant.Size.TotalDiskMiB()
	needed := len(full.left)
	for ; needed > 0; needed-- {
		leaver := full.left[needed-1].occupant
		if spare -= leaver.Size.TotalDiskMiB() - leaver.TrashMiB; spare < 0 {
			break
		}
	}
	for _, d := range full.left[:needed] {
		o.comeAfter(j, d)
	}
}
