package operation

import (
	"context"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// redefineSteps put the definition right. A running guest keeps running and has the new one from its
// next start; its stamp changes at once.
func redefineSteps() []Step {
	return []Step{
		look(),
		{Name: "define", Does: "Replace the persistent definition; the old one survives a refusal.", Is: hasGeneration, Do: define},
		{Name: "stamp", Does: "Write the stamp into the running domain too.", Do: restamp},
	}
}

func hasGeneration(ctx context.Context, j *Job) (bool, error) {
	d, err := j.here(ctx)
	return err == nil && (dropGenerationCheck || d.Stamp.Generation == j.inst.Generation), err
}

func restamp(ctx context.Context, j *Job) error {
	stamp, err := j.stamp(j.inst)
	if err != nil {
		return err
	}
	return j.act(ctx, j.inst.Host, func(h hypervisor.Host) error { return h.SetStamp(ctx, j.inst.UUID, stamp) })
}
