package operation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// shutdown presses the power button, again and again, until the guest is off or its time is over. It
// is not an error when it is still on: the next step cuts the power.
func (j *Job) shutdown(ctx context.Context) error {
	j.report(planner.Progress{Step: "waiting for shutdown"})
	deadline := time.Now().Add(j.inst.ShutdownTimeout)
	var pressed time.Time
	for {
		p, err := j.power(ctx, j.inst.Host)
		if err != nil {
			return err
		}
		if p != hypervisor.PowerRunning || !time.Now().Before(deadline) {
			return nil // off, or it can't hear the button
		}
		if time.Since(pressed) >= j.times.Resend {
			press := func(h hypervisor.Host) error { return h.ShutdownDomain(ctx, j.inst.UUID) }
			if err := j.act(ctx, j.inst.Host, press); err != nil {
				return err
			}
			pressed = time.Now()
		}
		if err := j.wait(ctx, min(j.times.Poll, time.Until(deadline))); err != nil {
			return err
		}
	}
}

// cut cuts the power of the instance's domain on a host and waits until it is off.
func (j *Job) cut(ctx context.Context, address spec.Address, most uint64) error {
	deadline := time.Now().Add(j.times.Off)
	for {
		d, err := j.own(ctx, address, most)
		if err != nil || d == nil || !d.Power.Active() {
			return err
		}
		if err := j.act(ctx, address, func(h hypervisor.Host) error { return h.DestroyDomain(ctx, j.inst.UUID) }); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			err := fmt.Errorf("%s is still active on %s, %s after its power was cut", d.Name, j.hostName(address), j.times.Off)
			if d.Held {
				err = fmt.Errorf("%w: %s", err, heldBy(d.Name, j.hostName(address)))
			}
			return err
		}
		if err := j.wait(ctx, j.times.Poll/10); err != nil {
			return err
		}
	}
}

// remove cuts the power, undefines, and reads back that the domain is gone. A start by UUID that
// arrives late fails from then on: that is the fence. What isn't ours is left alone.
func (j *Job) remove(ctx context.Context, address spec.Address, most uint64) error {
	for {
		d, err := j.own(ctx, address, most)
		if errors.Is(err, ErrForeign) {
			return nil
		}
		if err != nil || d == nil {
			return err
		}
		if err := j.cut(ctx, address, most); err != nil {
			return err
		}
		if err := j.undefine(ctx, address); err != nil {
			return err
		}
	}
}

// undefine removes the definition of a domain that is off, unless a late start was faster.
func (j *Job) undefine(ctx context.Context, address spec.Address) error {
	h, err := j.claimed(ctx, address)
	if err != nil {
		return err
	}
	err = h.UndefineDomain(ctx, j.inst.UUID)
	if errors.Is(err, hypervisor.ErrNotFound) || errors.Is(err, hypervisor.ErrState) {
		return nil
	}
	return err
}

// boot starts the instance's domain by UUID, as the leader of the operation's epoch only.
func (j *Job) boot(ctx context.Context) error {
	if err := j.leads(); err != nil {
		return err
	}
	return j.act(ctx, j.inst.Host, func(h hypervisor.Host) error { return h.StartDomain(ctx, j.inst.UUID) })
}

// runs verifies that the domain is really running after a start.
func (j *Job) runs(ctx context.Context) error {
	d, err := j.here(ctx)
	if err != nil {
		return err
	}
	if d.Power == hypervisor.PowerRunning {
		return nil
	}
	if d.Held {
		return fmt.Errorf("%s was started, and libvirt doesn't let go of it", d.Name)
	}
	return fmt.Errorf("%s was started but is %s %s", d.Name, d.Power, d.PauseReason)
}
