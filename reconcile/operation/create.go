package operation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// createSteps build an instance and start it. A failure leaves nothing behind but the cached image.
func createSteps() []Step {
	return []Step{
		{Name: "look", Does: "Read the host's claim, and that no other domain has the instance's UUID.", Is: nothingForeign, Do: nothing},
		{Name: "fit", Does: "Settle virtualisation, machine type and a CPU that the whole fleet can run.", Do: fitCreate},
		{Name: "image", Does: "Bring the image into the host's pool, once.", Is: definedOnce, Do: ensureImage},
		{Name: "disks", Does: "Make the root overlay, ephemeral and swap disks.", Is: definedOnce, Do: makeDisks, Undo: dropMadeDisks},
		{Name: "config-drive", Does: "Write the NoCloud config drive.", Is: definedOnce, Do: makeConfigDrive, Undo: dropConfigDrive},
		{Name: "define", Does: "Define the domain with its stamp, and commit that it is defined.",
			Is: isDefined, Do: define, Undo: removeHere, Committed: true},
		{Name: "start", Does: "Verify leadership, then start by UUID.", Is: startedAsWanted, Do: start},
		{Name: "verify", Does: "Read back that it runs.", Is: startedAsWanted, Do: (func(ctx context.Context, j *Job) error { return j.runs(ctx) })},
	}
}

func nothing(context.Context, *Job) error { return nil }

func nothingForeign(ctx context.Context, j *Job) (bool, error) {
	if _, err := j.claimed(ctx, j.inst.Host); err != nil {
		return false, err
	}
	_, err := j.own(ctx, j.inst.Host, j.inst.Generation)
	return err == nil, err
}

// definedOnce reports that the domain was defined, so that all before is done: what its disks hold
// from then on is the guest's.
func definedOnce(_ context.Context, j *Job) (bool, error) { return j.did("define"), nil }

func fitCreate(ctx context.Context, j *Job) error {
	if j.did("define") {
		return nil
	}
	if j.inst.CreatedAt.IsZero() {
		j.inst.CreatedAt = time.Now().UTC()
	}
	if len(j.op.Tried) > 0 { // what was settled was another host's
		j.inst.VirtType, j.inst.Arch, j.inst.Machine, j.inst.CPU = "", "", "", ""
	}
	if j.inst.Pool.Path == "" {
		j.inst.Pool.Path = DefaultPool
	}
	return j.fit(ctx)
}

func ensureImage(ctx context.Context, j *Job) error {
	image := j.desired.Index.Images[j.inst.Image]
	if image == nil {
		return fmt.Errorf("%w: %s is not in the spec any more", ErrInvalid, j.inst.Image)
	}
	h, err := j.storage(ctx, j.inst.Host)
	if err != nil {
		return err
	}
	got, err := j.world.Images.EnsureImage(ctx, h, j.pool(), *image, j.transfer("image "+image.Name))
	if err != nil {
		return err
	}
	j.inst.ImageDigest = got.Digest
	root := j.inst.Size.DiskMiB * mib
	if root == 0 { // as large as the image, which only now is known
		root = got.Bytes
		j.inst.Size.DiskMiB = (got.Bytes + mib - 1) / mib
	}
	if root < got.Bytes {
		return fmt.Errorf("%w: %s needs a root disk of %d MiB, flavor %s has %d", ErrImage, image.Name,
			(got.Bytes+mib-1)/mib, j.inst.Flavor.Short(), j.inst.Size.DiskMiB)
	}
	j.inst.Disks = []state.Disk{j.newDisk(hypervisor.DiskRoot, "qcow2", root)}
	if n := j.inst.Size.EphemeralMiB; n > 0 {
		j.inst.Disks = append(j.inst.Disks, j.newDisk(hypervisor.DiskEphemeral, "qcow2", n*mib))
	}
	if n := j.inst.Size.SwapMiB; n > 0 {
		j.inst.Disks = append(j.inst.Disks, j.newDisk(hypervisor.DiskSwap, "qcow2", n*mib))
	}
	j.backing = hypervisor.VolumeSpec{BackingPath: got.Path, BackingFormat: got.Format}
	return nil
}

func makeDisks(ctx context.Context, j *Job) error {
	for _, d := range j.disks(hypervisor.DiskRoot, hypervisor.DiskEphemeral, hypervisor.DiskSwap) {
		v := hypervisor.VolumeSpec{Name: path.Base(d.Path), Format: d.Format, Bytes: d.Bytes}
		if d.Role == string(hypervisor.DiskRoot) {
			v.BackingPath, v.BackingFormat = j.backing.BackingPath, j.backing.BackingFormat
		}
		if err := j.ensureVolume(ctx, j.inst.Host, v); err != nil {
			return fmt.Errorf("disk %s: %w", v.Name, err)
		}
	}
	return nil
}

// dropMadeDisks removes what this create may have made on this host, recorded or not.
func dropMadeDisks(ctx context.Context, j *Job) error {
	for _, role := range []hypervisor.DiskRole{hypervisor.DiskRoot, hypervisor.DiskEphemeral, hypervisor.DiskSwap} {
		if err := j.dropVolume(ctx, j.inst.Host, disk.VolumeName(j.inst.UUID, role, len(j.op.Tried), "qcow2")); err != nil {
			return err
		}
	}
	return nil
}

func makeConfigDrive(ctx context.Context, j *Job) error {
	content, err := j.world.Images.ConfigDrive(ctx, j.desired, j.inst)
	if err != nil {
		return fmt.Errorf("%w: config drive: %w", ErrInvalid, err)
	}
	if content == nil {
		return nil
	}
	drive := j.newDisk(hypervisor.DiskConfig, "raw", int64(len(content)))
	if err := j.writeVolume(ctx, drive, content); err != nil {
		return fmt.Errorf("config drive: %w", err)
	}
	if len(j.disks(hypervisor.DiskConfig)) == 0 {
		j.inst.Disks = append(j.inst.Disks, drive)
	}
	return nil
}

// writeVolume makes a volume of the instance with this content. What an earlier run wrote there, all or
// in part, is written over.
func (j *Job) writeVolume(ctx context.Context, d state.Disk, content []byte) error {
	name := path.Base(d.Path)
	v := hypervisor.VolumeSpec{Name: name, Format: d.Format, Bytes: d.Bytes}
	if err := j.ensureVolume(ctx, j.inst.Host, v); err != nil {
		return err
	}
	h, err := j.storage(ctx, j.inst.Host)
	if err != nil {
		return err
	}
	return h.UploadVolume(ctx, j.pool(), name, bytes.NewReader(content), int64(len(content)), nil)
}

func dropConfigDrive(ctx context.Context, j *Job) error {
	return j.dropVolume(ctx, j.inst.Host, disk.VolumeName(j.inst.UUID, hypervisor.DiskConfig, len(j.op.Tried), "raw"))
}

func isDefined(ctx context.Context, j *Job) (bool, error) {
	d, err := j.own(ctx, j.inst.Host, j.inst.Generation)
	return err == nil && d != nil && j.did("define") && (dropGenerationCheck || d.Stamp.Generation == j.inst.Generation), err
}

func define(ctx context.Context, j *Job) error {
	def, err := j.definition(j.inst)
	if err != nil {
		return err
	}
	h, err := j.claimed(ctx, j.inst.Host)
	if err != nil {
		return err
	}
	err = h.DefineDomain(ctx, def)
	if errors.Is(err, hypervisor.ErrExists) {
		return fmt.Errorf("%w: a domain named %s is there already, with another UUID: %w", ErrForeign, def.Name, err)
	}
	return err
}

func removeHere(ctx context.Context, j *Job) error {
	return j.remove(ctx, j.inst.Host, j.inst.Generation)
}

// startedAsWanted reports that nothing needs to be started: it runs, or shall be off.
func startedAsWanted(ctx context.Context, j *Job) (bool, error) {
	if j.inst.Stopped {
		return true, nil
	}
	d, err := j.here(ctx)
	return err == nil && d.Power == hypervisor.PowerRunning, err
}

func start(ctx context.Context, j *Job) error { return j.boot(ctx) }
