package operation

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// liveSteps move a running guest, peer to peer, so that nothing is stranded when we die. Disks of a
// local pool are copied by the hypervisor into overlays that are made before.
func liveSteps() []Step {
	return []Step{
		{Name: "look", Does: "Read both hosts' claims and look at both ends.", Is: movable, Do: nothing},
		apartStep(),
		{Name: "prepare", Does: "For a local pool: make the backing image, and under new names empty overlays and the config drive, at the destination.",
			Is: prepared, Do: prepare, Undo: dropPrepared},
		{Name: "migrate", Does: "Move it, with the next generation in the destination's stamp; look at both ends until it is settled.",
			Do: migrate, Undo: backHome},
		{Name: "moved", Does: "Read back that it is at the destination and gone from the source, and commit that.",
			Do: arrive, Committed: true, Final: true},
		{Name: "clean", Does: "For a local pool: delete the source's copies.", Do: cleanSource},
	}
}

func movable(ctx context.Context, j *Job) (bool, error) {
	if j.op.From != j.inst.Host {
		return false, fmt.Errorf("%w: %s is on %s, not on %s", ErrInvalid, j.inst.Address, j.hostName(j.inst.Host), j.hostName(j.op.From))
	}
	if _, err := j.claimed(ctx, j.op.From); err != nil {
		return false, fmt.Errorf("%w: %w", ErrInvalid, err) // no other destination will help
	}
	if _, err := j.own(ctx, j.op.From, j.inst.Generation); err != nil {
		return false, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, err := j.storage(ctx, j.op.To); err != nil {
		return false, err
	}
	_, err := j.own(ctx, j.op.To, j.inst.Generation+1)
	return err == nil, err
}

// prepared reports that nothing is to be made at the destination: the storage is shared, or the
// guest is on its way or there already, even if it went off there since.
func prepared(ctx context.Context, j *Job) (bool, error) {
	if j.inst.Pool.Shared || j.did("moved") {
		return true, nil
	}
	d, err := j.own(ctx, j.op.To, j.inst.Generation+1)
	if err != nil || d != nil && d.Power.Active() {
		return err == nil, err
	}
	s, err := j.own(ctx, j.op.From, j.inst.Generation)
	return err == nil && (s == nil || s.Migrating), err
}

func prepare(ctx context.Context, j *Job) error {
	if err := j.prepareBacking(ctx); err != nil {
		return err
	}
	source, err := j.storage(ctx, j.op.From)
	if err != nil {
		return err
	}
	return j.try(ctx, func(from, to state.Disk) error {
		if from.Role == string(hypervisor.DiskConfig) {
			return j.copyVolume(ctx, path.Base(from.Path), path.Base(to.Path))
		}
		v, err := source.GetVolume(ctx, j.pool(), path.Base(from.Path))
		if err != nil {
			return err
		}
		return j.newVolume(ctx, path.Base(to.Path), v)
	})
}

// dropPrepared removes the destination's files, unless the guest is there. What an earlier version made has the source's
// names and stays: it might be the source's.
func dropPrepared(ctx context.Context, j *Job) error {
	if j.inst.Pool.Shared || len(j.tries()) == 0 {
		return nil
	}
	d, err := j.own(ctx, j.op.To, j.inst.Generation+1)
	if errors.Is(err, ErrForeign) {
		return nil
	}
	if err != nil {
		return err
	}
	if d != nil {
		return fmt.Errorf("%w: %s is still on %s", ErrFrozen, d.Name, j.hostName(j.op.To))
	}
	return j.dropTries(ctx, 0)
}

// migrate acts on what both ends look like until the guest has arrived or stays.
func migrate(ctx context.Context, j *Job) error {
	if j.did("moved") {
		return nil
	}
	var failed error
	for tries := 0; ; {
		verdict, err := j.settle(ctx)
		if err != nil {
			return err
		}
		switch verdict {
		case Arrived:
			return nil
		case Proceed:
			if failed != nil && (!silent(failed) || tries >= 2) {
				return certain(failed)
			}
			if j.stopped() {
				return ErrAborted
			}
			tries++
			failed = j.moveLive(ctx)
		case ResumeSource:
			failed = errors.Join(failed, errors.New("the migration stopped half-way"))
			err = j.act(ctx, j.op.From, j.resumeCall(ctx))
		case ResumeDest:
			err = j.act(ctx, j.op.To, j.resumeCall(ctx))
		case Undo:
			if failed == nil {
				failed = fmt.Errorf("%s is off at %s: it can't move live", j.inst.Address, j.hostName(j.op.From))
			}
			return certain(failed)
		default:
			return fmt.Errorf("%w: verdict %q", ErrFrozen, verdict)
		}
		if err != nil {
			return err
		}
	}
}

// certain strips a silent error of its silence: both ends were seen since.
func certain(err error) error {
	if silent(err) {
		return errors.New(err.Error())
	}
	return err
}

func (j *Job) resumeCall(ctx context.Context) func(hypervisor.Host) error {
	return func(h hypervisor.Host) error { return h.ResumeDomain(ctx, j.inst.UUID) }
}

// moveLive sends one migration and waits for its answer; an abort is passed on to the hypervisor.
func (j *Job) moveLive(ctx context.Context) error {
	req, err := j.migrateRequest()
	if err != nil {
		return err
	}
	h, err := j.claimed(ctx, j.op.From)
	if err != nil {
		return err
	}
	if err := j.leads(); err != nil {
		return err
	}
	s := newStall()
	done := make(chan struct{})
	defer close(done)
	go j.watchMigration(ctx, h, s, done)
	err = h.Migrate(ctx, j.inst.UUID, req, func(job hypervisor.Job) {
		s.see(job)
		j.reportMigration(job)
	})
	if err != nil && s.longerThan(j.times.Stall) {
		return fmt.Errorf("no progress for %s: %w", j.times.Stall, err)
	}
	return err
}

// watchMigration asks the hypervisor to abort a migration that somebody wants to end, or that gets
// nowhere, until it is done.
func (j *Job) watchMigration(ctx context.Context, h hypervisor.Host, s *stall, done <-chan struct{}) {
	tick := time.NewTicker(j.times.Stall / 10)
	defer tick.Stop()
	aborted := j.aborted
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-aborted:
			aborted = nil
		case <-tick.C:
			if !s.longerThan(j.times.Stall) {
				continue
			}
		}
		j.world.abort(ctx, h, j.inst.UUID, j.log)
	}
}

func (j *Job) migrateRequest() (hypervisor.MigrateRequest, error) {
	target, err := j.world.Hosts.Target(j.op.To)
	if err != nil {
		return hypervisor.MigrateRequest{}, err
	}
	moved := j.movedRecord()
	stamp, err := j.stamp(&moved)
	if err != nil {
		return hypervisor.MigrateRequest{}, err
	}
	nics, err := j.nics(&moved, j.op.To)
	if err != nil {
		return hypervisor.MigrateRequest{}, err
	}
	limits := j.desired.Spec.Migration
	req := hypervisor.MigrateRequest{
		Dest: target, Stamp: stamp, SharedStorage: j.inst.Pool.Shared, NICs: nics,
		BandwidthMiBps: limits.BandwidthMiBps, MaxDowntimeMs: limits.MaxDowntimeMs,
	}
	if !j.inst.Pool.Shared {
		for _, d := range j.disks(hypervisor.DiskRoot, hypervisor.DiskEphemeral, hypervisor.DiskSwap) {
			req.CopyDisks = append(req.CopyDisks, d.Path)
		}
		for i, d := range moved.Disks {
			req.Renames = append(req.Renames, hypervisor.Rename{From: j.inst.Disks[i].Path, To: d.Path})
		}
	}
	return req, nil
}

func (j *Job) reportMigration(job hypervisor.Job) {
	j.report(planner.Progress{Step: "migrating", Done: job.BytesDone, Total: job.BytesTotal, Rate: job.BytesPerSecond})
}

// movedRecord is the instance's record once it has moved.
func (j *Job) movedRecord() state.Instance {
	moved := *j.inst
	moved.Host = j.op.To
	moved.Generation++
	moved.Disks = j.disksThere()
	return moved
}

// backHome undoes a migration: the guest must be at the source, and what is at the destination goes.
func backHome(ctx context.Context, j *Job) error {
	verdict, err := j.settle(ctx)
	if err != nil {
		return err
	}
	switch verdict {
	case ResumeSource:
		if err := j.act(ctx, j.op.From, j.resumeCall(ctx)); err != nil {
			return err
		}
	case Proceed, Undo:
	case Arrived:
		return errArrived
	default:
		return fmt.Errorf("%w: undoing finds it %s", ErrFrozen, verdict)
	}
	return j.remove(ctx, j.op.To, j.inst.Generation+1)
}

// arrive reads back that the guest is at the destination only. A definition that the source kept
// goes: it would be a second place to start it from.
func arrive(ctx context.Context, j *Job) error {
	d, err := j.own(ctx, j.op.To, j.inst.Generation+1)
	if err != nil {
		return err
	}
	if d == nil || d.Stamp.Generation != j.inst.Generation+1 {
		return fmt.Errorf("%w: %s is not on %s after its migration", ErrFrozen, j.inst.Address, j.hostName(j.op.To))
	}
	if !j.hasDisksThere(d) {
		return fmt.Errorf("%w: %s is on %s with other disks than were made for it", ErrFrozen, j.inst.Address, j.hostName(j.op.To))
	}
	source, err := j.own(ctx, j.op.From, j.inst.Generation)
	if err != nil || source == nil {
		return err
	}
	if source.Power.Active() {
		return fmt.Errorf("%w: %s is %s on %s after its migration to %s", ErrFrozen, j.inst.Address, source.Power,
			j.hostName(j.op.From), j.hostName(j.op.To))
	}
	return j.undefine(ctx, j.op.From)
}

// cleanSource deletes the source's copies, once every disk was seen at the destination, and what earlier tries left
// there.
func cleanSource(ctx context.Context, j *Job) error {
	if j.inst.Pool.Shared {
		return nil
	}
	if err := j.mendConfig(ctx); err != nil {
		return err
	}
	there, err := j.hasVolumes(ctx, j.op.To, j.disksThere())
	if err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("%w: disks of %s are missing on %s; those on %s are kept", ErrFrozen, j.inst.Address,
			j.hostName(j.op.To), j.hostName(j.op.From))
	}
	if err := j.dropTries(ctx, 1); err != nil {
		return err
	}
	return j.dropDisks(ctx, j.op.From, j.inst.Disks)
}
