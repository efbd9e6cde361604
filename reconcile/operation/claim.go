package operation

import "context"

// claimSteps make a host ours, by the compare-and-set that libvirt offers.
func claimSteps() []Step {
	return []Step{
		{Name: "claim", Does: "Define the claim, unless another cluster has one.", Do: func(ctx context.Context, j *Job) error {
			_, err := j.claimed(ctx, j.op.To)
			return err
		}},
		{Name: "verify", Does: "Read the claim back.", Do: func(ctx context.Context, j *Job) error {
			h, err := j.host(ctx, j.op.To)
			if err != nil {
				return err
			}
			return j.ensureClaim(ctx, j.op.To, h)
		}},
	}
}
