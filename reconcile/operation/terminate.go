package operation

import (
	"context"
	"fmt"

	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// terminateSteps end an instance. Its disks stay where they are: the operation's end makes them
// trash in the record, and housekeeping deletes them when their retention is over.
func terminateSteps() []Step {
	return []Step{
		{Name: "look", Does: "Read the domain's stamp; one that is missing already is fine.", Is: nothingForeign, Do: nothing},
		{Name: "shutdown", Does: "Press the ACPI power button, again until the shutdown timeout.", Is: isOff,
			Do: func(ctx context.Context, j *Job) error { return j.shutdown(ctx) }},
		{Name: "cut", Does: "Cut the power of a guest that did not listen.", Is: isOff, Do: cutHere},
		{Name: "undefine", Does: "Remove the definition, and read back that it is gone.", Is: isGone, Do: removeHere},
		{Name: "astray", Does: "Where a migration that was given up may have brought it late, read back that it isn't.", Is: notAstray, Do: nothing},
		{Name: "config-drive", Does: "Delete the config drive: it holds nothing of the guest's.", Do: dropRecordedConfig},
	}
}

func cutHere(ctx context.Context, j *Job) error { return j.cut(ctx, j.inst.Host, j.inst.Generation) }

func isGone(ctx context.Context, j *Job) (bool, error) {
	d, err := j.own(ctx, j.inst.Host, j.inst.Generation)
	return err == nil && d == nil, err
}

// notAstray fails when the guest is gone from its host because a migration that was given up took effect late. It can't
// any more once the source has no such domain, so this look, which comes after, is the last that is needed.
func notAstray(ctx context.Context, j *Job) (bool, error) {
	for _, address := range planner.GivenUpTo(j.world.Record.State(), j.inst) {
		d, err := j.own(ctx, address, j.inst.Generation+1)
		if err != nil {
			return false, err
		}
		if d != nil && d.Power.Active() {
			return false, fmt.Errorf("%w: it is on %s: a migration that was given up has moved it late; plan again",
				ErrInvalid, j.hostName(address))
		}
	}
	return true, nil
}

func dropRecordedConfig(ctx context.Context, j *Job) error {
	return j.dropDisks(ctx, j.inst.Host, j.disks(hypervisor.DiskConfig))
}
