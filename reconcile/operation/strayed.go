package operation

import (
	"context"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// strayed finds a guest that is at neither end of this migration because another one, which was given up, has moved it
// late: every host of the fleet was read, exactly one has it, running or off, stamped as moved. It returns the instance's
// record there; nil when anything is in doubt.
func (j *Job) strayed(ctx context.Context) *state.Instance {
	if j.op.Action != state.Migrate || j.desired == nil {
		return nil
	}
	hosts := map[spec.Address]bool{j.op.From: true, j.op.To: true}
	for i := range j.desired.Spec.Hosts {
		hosts[j.desired.Spec.Hosts[i].Address] = true
	}
	var found *state.Instance
	for address := range hosts {
		d, err := j.own(ctx, address, j.inst.Generation+1)
		if err != nil {
			return nil
		}
		if d == nil {
			continue
		}
		if found != nil || address == j.op.From || address == j.op.To || d.Migrating ||
			d.Stamp.Generation != j.inst.Generation+1 {
			return nil
		}
		stamped, err := Unstamp(*d.Stamp)
		if err != nil {
			return nil
		}
		moved := *j.inst
		moved.Host, moved.Generation, moved.Disks = address, d.Stamp.Generation, stamped.Disks
		found = &moved
	}
	return found
}
