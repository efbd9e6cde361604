package operation

import (
	"context"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// startSteps boot what is off, with its definition rebuilt. A suspended guest wakes up instead.
func startSteps() []Step {
	return []Step{
		look(),
		{Name: "redefine", Does: "Rebuild the definition of a guest that is really off.", Is: keepsDefinition, Do: define},
		{Name: "start", Does: "Verify leadership, then start by UUID.", Is: is(hypervisor.PowerRunning), Do: start},
		{Name: "verify", Does: "Read back that it runs.", Is: is(hypervisor.PowerRunning), Do: verifyRuns},
	}
}

// keepsDefinition reports that the domain's definition is not to be replaced: it is active, or its
// memory is saved with the definition that it had.
func keepsDefinition(ctx context.Context, j *Job) (bool, error) {
	d, err := j.here(ctx)
	return err == nil && (d.Power.Active() || d.Power == hypervisor.PowerSaved), err
}

func verifyRuns(ctx context.Context, j *Job) error { return j.runs(ctx) }
