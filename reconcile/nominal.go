package reconcile

import (
	"context"
	"errors"
	"path"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// NominalImages are the images of simulated hosts: nothing is fetched, only the volumes are made, in
// name and size. Config drives are a few bytes.
type NominalImages struct{}

// EnsureImage makes an empty volume of the image's minimum size.
func (NominalImages) EnsureImage(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, image spec.Image, _ operation.Progress) (operation.Image, error) {
	name := "np-image-" + image.Name + ".qcow2"
	v, err := host.GetVolume(ctx, pool, name)
	if errors.Is(err, hypervisor.ErrNotFound) {
		v, err = host.CreateVolume(ctx, pool, hypervisor.VolumeSpec{Name: name, Format: "qcow2", Bytes: int64(image.MinDisk) << 20})
		if errors.Is(err, hypervisor.ErrExists) {
			v, err = host.GetVolume(ctx, pool, name)
		}
	}
	if err != nil {
		return operation.Image{}, err
	}
	return operation.Image{Path: path.Join(pool.Path, name), Format: "qcow2", Bytes: v.Bytes, Digest: image.Checksum}, nil
}

// ConfigDrive names the instance.
func (NominalImages) ConfigDrive(_ context.Context, _ *state.Desired, instance *state.Instance) ([]byte, error) {
	return []byte("instance-id: " + instance.UUID + "\n"), nil
}
