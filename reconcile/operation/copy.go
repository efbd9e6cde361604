package operation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// prepareBacking brings the root disk's backing file to the destination's pool: the cached image
// when it is still the one in the spec, else a copy of the source's file.
func (j *Job) prepareBacking(ctx context.Context) error {
	roots := j.disks(hypervisor.DiskRoot)
	if len(roots) == 0 {
		return nil
	}
	source, err := j.storage(ctx, j.op.From)
	if err != nil {
		return err
	}
	root, err := source.GetVolume(ctx, j.pool(), path.Base(roots[0].Path))
	if err != nil || root.BackingPath == "" {
		return err
	}
	base, err := source.GetVolume(ctx, j.pool(), path.Base(root.BackingPath))
	if err != nil {
		return fmt.Errorf("backing file of %s: %w", root.Name, err)
	}
	j.backing = hypervisor.VolumeSpec{BackingPath: root.BackingPath, BackingFormat: base.Format}
	if image := j.desired.Index.Images[j.inst.Image]; image != nil {
		dest, err := j.storage(ctx, j.op.To)
		if err != nil {
			return err
		}
		got, err := j.world.Images.EnsureImage(ctx, dest, j.pool(), *image, j.transfer("image "+image.Name))
		if err == nil && got.Path == root.BackingPath {
			return nil
		}
		if err != nil && !errors.Is(err, ErrImage) {
			return err
		}
	}
	return j.copyVolume(ctx, base.Name)
}

// freshVolume makes a volume anew: what an interrupted migration left in it is worth nothing.
func (j *Job) freshVolume(ctx context.Context, address spec.Address, v hypervisor.VolumeSpec) error {
	if err := j.dropVolume(ctx, address, v.Name); err != nil {
		return err
	}
	h, err := j.storage(ctx, address)
	if err != nil {
		return err
	}
	_, err = h.CreateVolume(ctx, j.pool(), v)
	return err
}

// copyVolume copies a volume that nobody writes from the migration's source to its destination,
// through this process, and compares what both ends read.
func (j *Job) copyVolume(ctx context.Context, name string) error {
	source, err := j.storage(ctx, j.op.From)
	if err != nil {
		return err
	}
	dest, err := j.storage(ctx, j.op.To)
	if err != nil {
		return err
	}
	v, err := source.GetVolume(ctx, j.pool(), name)
	if err != nil {
		return err
	}
	sum, size, err := j.digest(ctx, source, name, "reading "+name)
	if err != nil {
		return err
	}
	there, thereSize, err := j.digest(ctx, dest, name, "comparing "+name)
	if err == nil && thereSize == size && bytes.Equal(there, sum) {
		return nil
	}
	if err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
		return err
	}
	if err := j.replaceable(ctx, dest, name); err != nil {
		return err
	}
	err = j.freshVolume(ctx, j.op.To, hypervisor.VolumeSpec{
		Name: name, Format: v.Format, Bytes: v.Bytes, BackingPath: v.BackingPath, BackingFormat: j.backing.BackingFormat,
	})
	if err != nil {
		return err
	}
	if err := j.pour(ctx, source, dest, name, size); err != nil {
		return err
	}
	there, _, err = j.digest(ctx, dest, name, "verifying "+name)
	if err != nil {
		return err
	}
	if !bytes.Equal(there, sum) {
		return fmt.Errorf("copy of %s on %s differs from %s: sha256 %x, not %x", name, j.hostName(j.op.To), j.hostName(j.op.From), there, sum)
	}
	return nil
}

// replaceable refuses to make a backing file anew that disks of the destination stand on.
func (j *Job) replaceable(ctx context.Context, dest hypervisor.Host, name string) error {
	if name != path.Base(j.backing.BackingPath) {
		return nil
	}
	user, err := disk.StoodOn(ctx, dest, j.pool(), name)
	if err == nil && user != "" {
		err = fmt.Errorf("%s on %s differs from that on %s, and %s stands on it", name, j.hostName(j.op.To), j.hostName(j.op.From), user)
	}
	return err
}

// digest reads a whole volume and returns its SHA-256 and length in bytes.
func (j *Job) digest(ctx context.Context, h hypervisor.Host, name, what string) ([]byte, int64, error) {
	sum := sha256.New()
	count := &counter{Writer: sum}
	progress := j.transfer(what)
	if err := h.DownloadVolume(ctx, j.pool(), name, count, func(n int64) { progress(n, 0) }); err != nil {
		return nil, 0, err
	}
	return sum.Sum(nil), count.n, nil
}

type counter struct {
	io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

// pour streams a volume from one host to another.
func (j *Job) pour(ctx context.Context, source, dest hypervisor.Host, name string, size int64) error {
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := make(chan error, 1)
	go func() {
		err := source.DownloadVolume(ctx, j.pool(), name, writer, nil)
		writer.CloseWithError(err)
		sent <- err
	}()
	progress := j.transfer("copying " + name)
	err := dest.UploadVolume(ctx, j.pool(), name, reader, size, func(n int64) { progress(n, size) })
	reader.CloseWithError(io.ErrClosedPipe) // frees a download whose upload failed
	if down := <-sent; err == nil && down != nil {
		err = down
	}
	return err
}
