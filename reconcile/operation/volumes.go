package operation

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

const mib = 1 << 20

// DefaultPool is where disks go when the spec names no pool: libvirt's own directory, local to each
// host.
const DefaultPool = "/var/lib/libvirt/images"

// newDisk returns the record of a disk to make. Its name is only used here: from then on the
// recorded path counts. Each host that a create is tried on gets names of its own, so that a deletion
// which arrives late hits nothing but what it was meant for, on shared pools too.
func (j *Job) newDisk(role hypervisor.DiskRole, format string, bytes int64) state.Disk {
	name := disk.VolumeName(j.inst.UUID, role, len(j.op.Tried), format)
	return state.Disk{Role: string(role), Path: path.Join(j.inst.Pool.Path, name), Format: format, Bytes: bytes}
}

// poolKey names a pool on a host.
type poolKey struct {
	host spec.Address
	path string
}

// storage returns the claimed host with the instance's pool in use there. Only then does a missing
// volume mean that there is none: a pool that isn't started or mounted shows no files either.
func (j *Job) storage(ctx context.Context, address spec.Address) (hypervisor.Host, error) {
	h, err := j.claimed(ctx, address)
	if err != nil {
		return nil, err
	}
	key := poolKey{address, j.inst.Pool.Path}
	if _, known := j.world.pools.Load(key); known {
		return h, nil
	}
	if _, err := h.EnsurePool(ctx, j.pool()); err != nil {
		return nil, fmt.Errorf("pool %s on %s: %w", j.inst.Pool.Path, j.hostName(address), err)
	}
	j.world.pools.Store(key, true)
	return h, nil
}

// ensureVolume makes an empty volume or overlay in the instance's pool, unless it is there. One of
// another shape was left half-made by a hypervisor that died: nobody has written to it, and it is made again. When
// its deletion isn't certain, or may have been sent before, the try fails, for the new one would have the same name and
// meet it when it comes late.
func (j *Job) ensureVolume(ctx context.Context, address spec.Address, v hypervisor.VolumeSpec) error {
	h, err := j.storage(ctx, address)
	if err != nil {
		return err
	}
	want := disk.Volume{
		Name: v.Name, Format: v.Format, Bytes: v.Bytes, Backing: disk.Image{Path: v.BackingPath, Format: v.BackingFormat},
	}
	_, err = disk.EnsureVolume(ctx, h, j.pool(), want)
	if !errors.Is(err, hypervisor.ErrExists) || j.resumed {
		return err
	}
	j.log.Warn("a half-made volume is made again", "volume", v.Name, "error", err)
	if dropped := j.dropVolume(ctx, address, v.Name); dropped != nil {
		return fmt.Errorf("%w; it can't be made again: %w", err, certain(dropped))
	}
	_, err = disk.EnsureVolume(ctx, h, j.pool(), want)
	return err
}

// dropVolume deletes a volume of the instance's pool and reads back that it is gone. It refuses while
// a domain on that host uses the file. A deletion of what isn't there is never sent: it might take
// effect late, when something is.
func (j *Job) dropVolume(ctx context.Context, address spec.Address, name string) error {
	h, err := j.storage(ctx, address)
	if err != nil {
		return err
	}
	if _, err := h.GetVolume(ctx, j.pool(), name); err != nil {
		if errors.Is(err, hypervisor.ErrNotFound) {
			return nil
		}
		return err
	}
	if err := j.unused(ctx, h, name); err != nil {
		return err
	}
	err = h.DeleteVolume(ctx, j.pool(), name)
	if err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
		return err
	}
	if _, err := h.GetVolume(ctx, j.pool(), name); !errors.Is(err, hypervisor.ErrNotFound) {
		if err == nil {
			err = fmt.Errorf("volume %s is still there after its deletion", name)
		}
		return err
	}
	return nil
}

// unused refuses when the instance's domain is active on that host and has the disk.
func (j *Job) unused(ctx context.Context, h hypervisor.Host, name string) error {
	d, err := h.GetDomain(ctx, j.inst.UUID)
	if errors.Is(err, hypervisor.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, file := range d.Disks {
		if path.Base(file) == name && d.Power.Active() {
			return fmt.Errorf("%w: disk %s is in use by %s", ErrFrozen, name, d.Name)
		}
	}
	return nil
}

// hasVolumes reports whether all of these disks exist on a host.
func (j *Job) hasVolumes(ctx context.Context, address spec.Address, disks []state.Disk) (bool, error) {
	h, err := j.storage(ctx, address)
	if err != nil {
		return false, err
	}
	for _, d := range disks {
		_, err := h.GetVolume(ctx, j.pool(), path.Base(d.Path))
		if errors.Is(err, hypervisor.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// disks returns the recorded disks of these roles, all when none is given.
func (j *Job) disks(roles ...hypervisor.DiskRole) []state.Disk {
	var disks []state.Disk
	for _, d := range j.inst.Disks {
		for _, role := range roles {
			if d.Role == string(role) {
				disks = append(disks, d)
			}
		}
		if len(roles) == 0 {
			disks = append(disks, d)
		}
	}
	return disks
}

// dropDisks deletes disks on a host. The config drive goes first and is the fence for the others: once it is
// seen to be gone, no migration into these files can begin any more, so a guest that isn't there when the next file is
// looked at won't be there when its deletion comes late either. A guest that comes before loses nothing that can't be
// made again.
func (j *Job) dropDisks(ctx context.Context, address spec.Address, disks []state.Disk) error {
	disks = slices.Clone(disks)
	slices.SortStableFunc(disks, func(a, b state.Disk) int { return fenceFirst(a) - fenceFirst(b) })
	for _, d := range disks {
		if err := j.dropVolume(ctx, address, path.Base(d.Path)); err != nil {
			return err
		}
	}
	return nil
}

func fenceFirst(d state.Disk) int {
	if d.Role == string(hypervisor.DiskConfig) {
		return 0
	}
	return 1
}
