package operation

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// roleProbe names the file that tells two pools apart.
const roleProbe hypervisor.DiskRole = "probe"

// apartStep proves that the pools of both ends are not one and the same storage. A pool that is mounted on
// several hosts and not declared shared looks local: making the destination's disks anew, or deleting
// the source's copies after the move, would delete the guest's only ones.
func apartStep() Step {
	return Step{Name: "apart", Does: "For a local pool: make sure that the destination's is not the source's own storage, mounted there too.",
		Is: nothingThere, Do: probeApart, Undo: dropPrepared, Committed: true}
}

// nothingThere reports that the destination sees none of the files that the source has.
func nothingThere(ctx context.Context, j *Job) (bool, error) {
	if j.inst.Pool.Shared || j.did("apart") {
		return true, nil
	}
	h, err := j.storage(ctx, j.op.To)
	if err != nil {
		return false, err
	}
	for _, d := range j.inst.Disks {
		_, err := h.GetVolume(ctx, j.pool(), path.Base(d.Path))
		if !errors.Is(err, hypervisor.ErrNotFound) {
			return false, err
		}
	}
	return true, nil
}

// probeApart tells the rest of an earlier move from the very files of the guest: a new file at the
// destination must not appear at the source. Network storage may show it late, so files that are alike in
// every respect are left alone too.
func probeApart(ctx context.Context, j *Job) error {
	dest, err := j.storage(ctx, j.op.To)
	if err != nil {
		return err
	}
	source, err := j.storage(ctx, j.op.From)
	if err != nil {
		return err
	}
	if err := j.unlike(ctx, source, dest); err != nil {
		return err
	}
	if err := j.newTry(ctx); err != nil { // a probe of an earlier one may still come, or go
		return err
	}
	tokens := j.tries()
	probe := j.probe(tokens[len(tokens)-1])
	if _, err := dest.CreateVolume(ctx, j.pool(), hypervisor.VolumeSpec{Name: probe, Format: "raw", Bytes: 512}); err != nil {
		return err
	}
	_, err = source.GetVolume(ctx, j.pool(), probe)
	if err == nil {
		return errors.Join(j.sameStorage(), j.dropVolume(ctx, j.op.To, probe))
	}
	if !errors.Is(err, hypervisor.ErrNotFound) {
		return err
	}
	return j.dropVolume(ctx, j.op.To, probe)
}

// unlike fails when a file of the destination can't be told from the source's.
func (j *Job) unlike(ctx context.Context, source, dest hypervisor.Host) error {
	for _, d := range j.inst.Disks {
		name := path.Base(d.Path)
		there, err := dest.GetVolume(ctx, j.pool(), name)
		if errors.Is(err, hypervisor.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		here, err := source.GetVolume(ctx, j.pool(), name)
		if err != nil {
			return err
		}
		if here == there && d.Role != string(hypervisor.DiskConfig) {
			return j.sameStorage()
		}
	}
	return nil
}

func (j *Job) sameStorage() error {
	return fmt.Errorf("%w: %s and %s see the same files in %s: if that is one storage, set shared = true on its pool; if not, remove the copies on %s",
		ErrInvalid, j.hostName(j.op.From), j.hostName(j.op.To), j.inst.Pool.Path, j.hostName(j.op.To))
}

func (j *Job) probe(token string) string {
	return disk.MovedName(j.inst.UUID, roleProbe, j.inst.Generation+1, token, "raw")
}
