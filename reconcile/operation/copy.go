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
	return j.copyBase(ctx, base)
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

// newVolume makes an empty volume at the destination, like one of the source. Nothing ever had its name.
func (j *Job) newVolume(ctx context.Context, name string, like hypervisor.Volume) error {
	dest, err := j.storage(ctx, j.op.To)
	if err != nil {
		return err
	}
	v := hypervisor.VolumeSpec{Name: name, Format: like.Format, Bytes: like.Bytes}
	if like.BackingPath != "" {
		v.BackingPath, v.BackingFormat = j.backing.BackingPath, j.backing.BackingFormat
	}
	_, err = dest.CreateVolume(ctx, j.pool(), v)
	return err
}

// copyVolume copies a volume that nobody writes from the migration's source to a new one at its destination,
// through this process, and compares what both ends read.
func (j *Job) copyVolume(ctx context.Context, from, to string) error {
	source, err := j.storage(ctx, j.op.From)
	if err != nil {
		return err
	}
	v, err := source.GetVolume(ctx, j.pool(), from)
	if err != nil {
		return err
	}
	sum, size, err := j.digest(ctx, source, from, "reading "+from)
	if err != nil {
		return err
	}
	if err := j.newVolume(ctx, to, v); err != nil {
		return err
	}
	return j.fill(ctx, source, from, to, sum, size)
}

// copyBase copies a backing file to the same path at the destination, unless it is there.
func (j *Job) copyBase(ctx context.Context, v hypervisor.Volume) error {
	source, err := j.storage(ctx, j.op.From)
	if err != nil {
		return err
	}
	dest, err := j.storage(ctx, j.op.To)
	if err != nil {
		return err
	}
	sum, size, err := j.digest(ctx, source, v.Name, "reading "+v.Name)
	if err != nil {
		return err
	}
	there, thereSize, err := j.digest(ctx, dest, v.Name, "comparing "+v.Name)
	if err == nil && thereSize == size && bytes.Equal(there, sum) {
		return nil
	}
	if err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
		return err
	}
	if err := j.replaceable(ctx, dest, v.Name); err != nil {
		return err
	}
	if err := j.freshVolume(ctx, j.op.To, hypervisor.VolumeSpec{Name: v.Name, Format: v.Format, Bytes: v.Bytes}); err != nil {
		return err
	}
	return j.fill(ctx, source, v.Name, v.Name, sum, size)
}

// fill copies the content of a volume, and reads back that it is the same.
func (j *Job) fill(ctx context.Context, source hypervisor.Host, from, to string, sum []byte, size int64) error {
	dest, err := j.storage(ctx, j.op.To)
	if err != nil {
		return err
	}
	if err := j.pour(ctx, source, dest, from, to, size); err != nil {
		return err
	}
	there, _, err := j.digest(ctx, dest, to, "verifying "+to)
	if err != nil {
		return err
	}
	if !bytes.Equal(there, sum) {
		return fmt.Errorf("copy of %s on %s differs from %s: sha256 %x, not %x", from, j.hostName(j.op.To), j.hostName(j.op.From), there, sum)
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
func (j *Job) pour(ctx context.Context, source, dest hypervisor.Host, from, to string, size int64) error {
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := make(chan error, 1)
	go func() {
		err := source.DownloadVolume(ctx, j.pool(), from, writer, nil)
		writer.CloseWithError(err)
		sent <- err
	}()
	progress := j.transfer("copying " + from)
	err := dest.UploadVolume(ctx, j.pool(), to, reader, size, func(n int64) { progress(n, size) })
	reader.CloseWithError(io.ErrClosedPipe) // frees a download whose upload failed
	if down := <-sent; err == nil && down != nil {
		err = down
	}
	return err
}
