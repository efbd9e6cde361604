package operation

import (
	"context"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// suspendSteps write the memory to the host's disk and stop the guest.
func suspendSteps() []Step {
	return []Step{
		look(),
		{Name: "save", Does: "Write the memory to disk (managed save).", Is: is(hypervisor.PowerSaved), Do: func(ctx context.Context, j *Job) error {
			return j.act(ctx, j.inst.Host, func(h hypervisor.Host) error { return h.SaveDomain(ctx, j.inst.UUID) })
		}},
		{Name: "verify", Does: "Read back that it is saved.", Is: is(hypervisor.PowerSaved), Do: contradicts("suspended")},
	}
}
