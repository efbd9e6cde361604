package operation

import (
	"context"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// pauseSteps stop the vCPUs; the memory stays.
func pauseSteps() []Step {
	return []Step{
		look(),
		{Name: "pause", Does: "Stop the vCPUs.", Is: is(hypervisor.PowerPaused), Do: func(ctx context.Context, j *Job) error {
			return j.act(ctx, j.inst.Host, func(h hypervisor.Host) error { return h.PauseDomain(ctx, j.inst.UUID) })
		}},
		{Name: "verify", Does: "Read back that it is paused.", Is: is(hypervisor.PowerPaused), Do: contradicts("paused")},
	}
}
