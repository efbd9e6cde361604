package operation

import (
	"context"
	"errors"
	"fmt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// unclaimSteps let go of a host that left the spec.
func unclaimSteps() []Step {
	return []Step{
		{Name: "look", Does: "Check that no domain of ours is left there.", Is: holdsNothing, Do: nothing},
		{Name: "release", Does: "Remove our claim.", Do: func(ctx context.Context, j *Job) error {
			h, err := j.host(ctx, j.op.From)
			if err != nil {
				return err
			}
			err = h.ReleaseClaim(ctx, j.cluster)
			if errors.Is(err, hypervisor.ErrNotFound) {
				return nil
			}
			return err
		}},
	}
}

func holdsNothing(ctx context.Context, j *Job) (bool, error) {
	h, err := j.host(ctx, j.op.From)
	if err != nil {
		return false, err
	}
	domains, err := h.ListDomains(ctx)
	if err != nil {
		return false, err
	}
	for _, d := range domains {
		if d.Stamp != nil && d.Stamp.Cluster == j.cluster {
			return false, fmt.Errorf("%w: %s still has %s (%s)", ErrInvalid, j.hostName(j.op.From), d.Name, d.Stamp.Address)
		}
	}
	return true, nil
}
