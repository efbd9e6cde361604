package operation

import (
	"context"
	"fmt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// resumeSteps let a paused guest run, or a suspended one.
func resumeSteps() []Step {
	return []Step{
		look(),
		{Name: "resume", Does: "Let the vCPUs run; a suspended guest is restored.", Is: is(hypervisor.PowerRunning), Do: resume},
		{Name: "verify", Does: "Read back that it runs.", Is: is(hypervisor.PowerRunning), Do: verifyRuns},
	}
}

func resume(ctx context.Context, j *Job) error {
	d, err := j.here(ctx)
	if err != nil {
		return err
	}
	if !d.Power.Active() {
		return j.boot(ctx)
	}
	return j.act(ctx, j.inst.Host, func(h hypervisor.Host) error { return h.ResumeDomain(ctx, j.inst.UUID) })
}

// contradicts is the Do of a verifying step: its Is said no after the work was done.
func contradicts(wanted string) func(context.Context, *Job) error {
	return func(ctx context.Context, j *Job) error {
		d, err := j.here(ctx)
		if err != nil {
			return err
		}
		return fmt.Errorf("%s should be %s, but is %s", d.Name, wanted, d.Power)
	}
}
