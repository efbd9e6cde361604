package disk

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// Volume is a disk of an instance that has to exist.
type Volume struct {
	Name   string // see VolumeName
	Format string // "qcow2" or "raw"
	Bytes  int64  // virtual size
	// Backing is what an overlay stands on; the zero Image makes a blank disk.
	Backing Image
}

// VolumeName returns the name of an instance's n-th disk of a role: np-<uuid>-<role>-<n>.<format>, with
// the extension img for raw.
func VolumeName(uuid string, role hypervisor.DiskRole, n int, format string) string {
	return fmt.Sprintf("np-%s-%s-%d.%s", uuid, role, n, extension(format))
}

// MovedName returns the name that an instance's disk of a role gets when it is moved to another pool:
// np-<uuid>-<role>-g<generation>-<token>.<format>. The generation is for people; the token tells the tries to make it
// apart, so that no two files ever have the same name.
func MovedName(uuid string, role hypervisor.DiskRole, generation uint64, token, format string) string {
	return fmt.Sprintf("np-%s-%s-g%d-%s.%s", uuid, role, generation, token, extension(format))
}

func extension(format string) string {
	if format == "raw" {
		return "img"
	}
	return format
}

// ConfigDriveName returns the name of an instance's config drive.
func ConfigDriveName(uuid string) string {
	return VolumeName(uuid, hypervisor.DiskConfig, 0, "raw")
}

// EnsureVolume makes an overlay or a blank disk unless it is there. One of another size, format or
// backing file is hypervisor.ErrExists, and stays as it is. ErrNoSpace leaves nothing behind.
func EnsureVolume(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, want Volume) (hypervisor.Volume, error) {
	got, err := host.GetVolume(ctx, pool, want.Name)
	if err == nil {
		return got, want.check(got)
	}
	if !errors.Is(err, hypervisor.ErrNotFound) {
		return hypervisor.Volume{}, err
	}
	got, err = host.CreateVolume(ctx, pool, hypervisor.VolumeSpec{
		Name: want.Name, Format: want.Format, Bytes: want.Bytes,
		BackingPath: want.Backing.Path, BackingFormat: want.Backing.Format,
	})
	switch {
	case errors.Is(err, hypervisor.ErrExists), errors.Is(err, hypervisor.ErrUnknown):
		// An earlier call whose answer was lost: look again.
		again, lookErr := host.GetVolume(ctx, pool, want.Name)
		if lookErr != nil {
			return hypervisor.Volume{}, err
		}
		return again, want.check(again)
	case errors.Is(err, hypervisor.ErrNoSpace):
		_ = host.DeleteVolume(ctx, pool, want.Name) // the first error counts
	}
	return got, err
}

// StoodOn returns the name of a volume whose backing file is the named one, "" when there is none.
// Whoever would delete a backing file asks this first: nothing else keeps libvirt from it, and every
// guest on it would lose its disk.
func StoodOn(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, name string) (string, error) {
	volumes, err := host.ListVolumes(ctx, pool)
	if err != nil {
		return "", fmt.Errorf("what stands on %s: %w", name, err)
	}
	for _, v := range volumes {
		if v.BackingPath == path.Join(pool.Path, name) {
			return v.Name, nil
		}
	}
	return "", nil
}

func (want Volume) check(got hypervisor.Volume) error {
	if got.Format == want.Format && got.Bytes == want.Bytes && got.BackingPath == want.Backing.Path {
		return nil
	}
	return fmt.Errorf("volume %s is %s of %d bytes on %q, want %s of %d on %q: %w", want.Name,
		got.Format, got.Bytes, got.BackingPath, want.Format, want.Bytes, want.Backing.Path, hypervisor.ErrExists)
}
