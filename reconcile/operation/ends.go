package operation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// sight looks at one end of a migration. Unread comes with why.
func (j *Job) sight(ctx context.Context, address spec.Address, most uint64) (Sighting, error) {
	h, err := j.host(ctx, address)
	if err != nil {
		return Unread, err
	}
	d, err := h.GetDomain(ctx, j.inst.UUID)
	switch {
	case errors.Is(err, hypervisor.ErrNotFound):
		return Gone, nil
	case err != nil:
		return Unread, err
	}
	if err := j.checkStamp(d, most, address); err != nil {
		return Strange, err
	}
	if d.Held { // whether it is being migrated isn't known
		return Unread, fmt.Errorf("%w: %s", hypervisor.ErrUnknown, heldBy(d.Name, j.hostName(address)))
	}
	return sighting(d), nil
}

// heldBy says why nothing can be done to a domain.
func heldBy(domain, host string) string {
	return fmt.Sprintf("something on %s has the lock of domain %s: a QEMU process that hangs, or, when there is none, a libvirtd that "+
		"was killed while it started it (then: rm /run/libvirt/qemu/%s.xml there, and restart libvirtd)", host, domain, domain)
}

// The reasons of a pause that a migration causes, as drivers name them. In post-copy, which novaplan never asks
// for, no end has all of the memory: such a guest is resumed nowhere.
const (
	pauseMigration  = "migration"
	pauseStartingUp = "starting_up"
	pausePostcopy   = "postcopy" // and what begins with it
)

// sighting reads a domain that is known to be ours.
func sighting(d hypervisor.Domain) Sighting {
	switch {
	case d.Power == hypervisor.PowerIncoming:
		return Arriving
	case d.Migrating:
		return Leaving
	case d.Power == hypervisor.PowerPaused && strings.HasPrefix(d.PauseReason, pausePostcopy):
		return Strange
	case d.Power == hypervisor.PowerPaused && (d.PauseReason == pauseMigration || d.PauseReason == pauseStartingUp):
		return Halted
	case d.Power.Active():
		return On
	case d.Power == hypervisor.PowerSaved:
		return Strange
	}
	return Off
}

// ends looks at both ends of the migration and says what they mean.
func (j *Job) ends(ctx context.Context) (Verdict, error) {
	source, sourceErr := j.sight(ctx, j.op.From, j.inst.Generation)
	dest, destErr := j.sight(ctx, j.op.To, j.inst.Generation+1)
	j.log.Debug("looked at both ends", "source", string(source), "destination", string(dest))
	verdict := j.world.Judge(j.op.Kind, source, dest)
	if verdict != Freeze {
		return verdict, nil
	}
	err := fmt.Errorf("%s is %s on %s and %s on %s", j.inst.Address, source, j.hostName(j.op.From), dest, j.hostName(j.op.To))
	if cause := errors.Join(sourceErr, destErr); cause != nil {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	if source == Unread || dest == Unread {
		return Freeze, err // silent: asked again for a while
	}
	return Freeze, fmt.Errorf("%w: %w", ErrFrozen, err)
}

// settle waits until nothing is under way any more and says what came of it.
func (j *Job) settle(ctx context.Context) (Verdict, error) {
	moved := time.Now() // when a job was last seen
	s := newStall()
	for {
		var verdict Verdict
		err := j.patiently(ctx, func() (err error) { verdict, err = j.ends(ctx); return err })
		if err != nil {
			return Freeze, j.frozenBy(ctx, err)
		}
		if verdict != Wait {
			return verdict, nil
		}
		if j.reportJob(ctx, s) {
			moved = time.Now()
			if s.longerThan(j.times.Stall) {
				j.log.Warn("the migration gets nowhere and is aborted", "for", j.times.Stall)
				j.abortMigration(ctx)
			}
		} else if time.Since(moved) > j.times.Patience {
			return Freeze, fmt.Errorf("%w: half-way between %s and %s, and no migration runs", ErrFrozen, j.hostName(j.op.From), j.hostName(j.op.To))
		}
		if err := j.wait(ctx, j.times.Poll); errors.Is(err, ErrAborted) {
			j.abortMigration(ctx)
			calm := *j
			calm.aborted = nil
			return calm.settle(ctx)
		} else if err != nil {
			return Freeze, err
		}
	}
}

// frozenBy makes lasting silence a reason to freeze.
func (j *Job) frozenBy(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, ErrFrozen) || errors.Is(err, ErrAborted) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrFrozen, err)
}

// reportJob reports how far the source's migration is, and whether there is one.
func (j *Job) reportJob(ctx context.Context, s *stall) bool {
	h, err := j.host(ctx, j.op.From)
	if err != nil {
		return false
	}
	job, err := h.GetJob(ctx, j.inst.UUID)
	if err != nil {
		return false
	}
	s.see(job)
	j.reportMigration(job)
	return true
}

// abortMigration asks the source to end the running migration. Whether it did is for the next look.
func (j *Job) abortMigration(ctx context.Context) {
	h, err := j.claimed(ctx, j.op.From)
	if err != nil {
		j.log.Warn("can't abort the migration", "error", err)
		return
	}
	j.world.abort(ctx, h, j.inst.UUID, j.log)
}
