package operation

import (
	"context"
	"errors"
	"fmt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// own reads the instance's domain on a host, which must be ours and not ahead of most. A nil domain
// means that there is none.
func (j *Job) own(ctx context.Context, address spec.Address, most uint64) (*hypervisor.Domain, error) {
	h, err := j.host(ctx, address)
	if err != nil {
		return nil, err
	}
	d, err := h.GetDomain(ctx, j.inst.UUID)
	if errors.Is(err, hypervisor.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := j.checkStamp(d, most, address); err != nil {
		return nil, err
	}
	return &d, nil
}

// here is own for the instance's host, where it must exist.
func (j *Job) here(ctx context.Context) (*hypervisor.Domain, error) {
	d, err := j.own(ctx, j.inst.Host, j.inst.Generation)
	if err == nil && d == nil {
		return nil, fmt.Errorf("%w: %s has no domain of %s", ErrInvalid, j.hostName(j.inst.Host), j.inst.Address)
	}
	return d, err
}

// checkStamp refuses domains that are not this instance's, or that know more than the record.
func (j *Job) checkStamp(d hypervisor.Domain, most uint64, address spec.Address) error {
	switch s := d.Stamp; {
	case s == nil || s.Cluster == "":
		return fmt.Errorf("%w: domain %s on %s has no stamp of novaplan", ErrForeign, d.Name, j.hostName(address))
	case s.Cluster != j.cluster:
		return fmt.Errorf("%w: domain %s on %s belongs to cluster %s (fleet %q)", ErrForeign, d.Name, j.hostName(address), s.Cluster, s.Fleet)
	case s.Instance != j.inst.UUID:
		return fmt.Errorf("%w: domain %s on %s is stamped as instance %s", ErrForeign, d.Name, j.hostName(address), s.Instance)
	case s.Generation > most && !ignoreHigherGeneration:
		return fmt.Errorf("%w: domain %s on %s has generation %d, the record knows %d", ErrAhead, d.Name, j.hostName(address), s.Generation, most)
	}
	return nil
}

// power returns what the instance's domain does on a host: "" when there is none.
func (j *Job) power(ctx context.Context, address spec.Address) (hypervisor.Power, error) {
	d, err := j.own(ctx, address, j.inst.Generation)
	if err != nil || d == nil {
		return "", err
	}
	return d.Power, nil
}

// isOff returns a check that the domain is not active; a missing one is off.
func isOff(ctx context.Context, j *Job) (bool, error) {
	p, err := j.power(ctx, j.inst.Host)
	return err == nil && !p.Active(), err
}

// is returns a check that the domain has one of the powers.
func is(powers ...hypervisor.Power) func(context.Context, *Job) (bool, error) {
	return func(ctx context.Context, j *Job) (bool, error) {
		d, err := j.here(ctx)
		if err != nil {
			return false, err
		}
		for _, p := range powers {
			if d.Power == p {
				return true, nil
			}
		}
		return false, nil
	}
}

// look is the first step of what is done to an existing domain: it must be there and ours.
func look() Step {
	return Step{
		Name: "look", Does: "Read the domain and its stamp: it must be this instance's, and not ahead of the record.",
		Is: func(ctx context.Context, j *Job) (bool, error) {
			if _, err := j.here(ctx); err != nil {
				return false, err
			}
			_, err := j.claimed(ctx, j.inst.Host)
			return err == nil, err
		},
		Do: func(context.Context, *Job) error { return nil },
	}
}

// act wraps a call that changes the domain's power: ErrState means that it is so already, which the
// next look confirms.
func (j *Job) act(ctx context.Context, address spec.Address, call func(hypervisor.Host) error) error {
	h, err := j.claimed(ctx, address)
	if err != nil {
		return err
	}
	if err := call(h); err != nil && !errors.Is(err, hypervisor.ErrState) {
		return err
	}
	return nil
}
