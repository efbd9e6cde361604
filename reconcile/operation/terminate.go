package operation

import (
	"context"

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
		{Name: "config-drive", Does: "Delete the config drive: it holds nothing of the guest's.", Do: dropRecordedConfig},
	}
}

func cutHere(ctx context.Context, j *Job) error { return j.cut(ctx, j.inst.Host, j.inst.Generation) }

func isGone(ctx context.Context, j *Job) (bool, error) {
	d, err := j.own(ctx, j.inst.Host, j.inst.Generation)
	return err == nil && d == nil, err
}

func dropRecordedConfig(ctx context.Context, j *Job) error {
	return j.dropDisks(ctx, j.inst.Host, j.disks(hypervisor.DiskConfig))
}
