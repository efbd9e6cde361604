package operation

import (
	"context"
	"errors"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// forgetSteps leave the guest alone and remove our stamp, so that it is nobody's afterwards.
func forgetSteps() []Step {
	return []Step{
		{Name: "look", Does: "Read the domain's stamp; one that is missing already is fine.", Is: forgotten, Do: nothing},
		{Name: "unstamp", Does: "Remove the stamp.", Is: forgotten, Do: func(ctx context.Context, j *Job) error {
			return j.act(ctx, j.inst.Host, func(h hypervisor.Host) error {
				return h.SetStamp(ctx, j.inst.UUID, hypervisor.Stamp{})
			})
		}},
	}
}

func forgotten(ctx context.Context, j *Job) (bool, error) {
	h, err := j.host(ctx, j.inst.Host)
	if err != nil {
		return false, err
	}
	d, err := h.GetDomain(ctx, j.inst.UUID)
	if errors.Is(err, hypervisor.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if d.Stamp == nil || d.Stamp.Cluster == "" {
		return true, nil
	}
	return false, j.checkStamp(d, j.inst.Generation, j.inst.Host)
}
