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
)

// prepareBacking brings what the root disk stands on to the destination's pool: the same image, which the pool may
// have already, or else from where the spec says, or else from the source's pool.
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
	got, err := j.sameImage(ctx, base)
	if err != nil {
		return err
	}
	j.backing = hypervisor.VolumeSpec{BackingPath: got.Path, BackingFormat: got.Format}
	return nil
}

// sameImage returns the image at the destination that has the content of the source's base.
func (j *Job) sameImage(ctx context.Context, base hypervisor.Volume) (Image, error) {
	dest, err := j.storage(ctx, j.op.To)
	if err != nil {
		return Image{}, err
	}
	if digest := j.inst.ImageDigest; digest != "" {
		got, err := j.world.Images.Find(ctx, dest, j.pool(), digest, base.Format)
		if !errors.Is(err, hypervisor.ErrNotFound) {
			return got, err
		}
	}
	if image := j.desired.Index.Images[j.inst.Image]; image != nil {
		got, err := j.world.Images.EnsureImage(ctx, dest, j.pool(), *image, j.transfer("image "+image.Name))
		if err == nil && got.Digest == j.inst.ImageDigest && got.Format == base.Format {
			return got, nil
		}
		if err != nil && !errors.Is(err, ErrImage) {
			return Image{}, err
		}
	}
	return j.copyBase(ctx, dest, base)
}

// copyBase copies a backing file from the source's pool. It is read twice there: what it is called depends on its
// content.
func (j *Job) copyBase(ctx context.Context, dest hypervisor.Host, base hypervisor.Volume) (Image, error) {
	source, err := j.storage(ctx, j.op.From)
	if err != nil {
		return Image{}, err
	}
	sum, size, err := j.digest(ctx, source, base.Name, "reading "+base.Name)
	if err != nil {
		return Image{}, err
	}
	sent := sha256.New()
	open := func() (io.ReadCloser, error) {
		sent.Reset()
		d := j.download(ctx, source, base.Name)
		return struct {
			io.Reader
			io.Closer
		}{io.TeeReader(d, sent), d}, nil
	}
	check := func() error { return same(base.Name, sent.Sum(nil), sum) }
	file := disk.Streamed(base.Format, size, base.Bytes, fmt.Sprintf("sha256:%x", sum), open, check)
	return j.world.Images.EnsureFile(ctx, dest, j.pool(), file, j.transfer("copying "+base.Name))
}

// same fails when a copy has another checksum than what it was made from.
func same(name string, got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("the copy of %s differs: sha256 %x, not %x", name, got, want)
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

// copyVolume copies a volume that nobody writes from the migration's source to a new one at its destination, through
// this process, and compares what the destination reads with what it was sent.
func (j *Job) copyVolume(ctx context.Context, from, to string) error {
	source, err := j.storage(ctx, j.op.From)
	if err != nil {
		return err
	}
	v, err := source.GetVolume(ctx, j.pool(), from)
	if err != nil {
		return err
	}
	if err := j.newVolume(ctx, to, v); err != nil {
		return err
	}
	dest, err := j.storage(ctx, j.op.To)
	if err != nil {
		return err
	}
	sent, err := j.pour(ctx, source, dest, v, to)
	if err != nil {
		return err
	}
	there, size, err := j.digest(ctx, dest, to, "verifying "+to)
	if err != nil {
		return err
	}
	if size != v.FileBytes {
		return fmt.Errorf("the copy of %s has %d bytes, not %d", from, size, v.FileBytes)
	}
	return same(from, there, sent)
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

// pour streams a volume from one host to another and returns the SHA-256 of what was sent. The copy of an overlay
// stands on the destination's image, which may have another name.
func (j *Job) pour(ctx context.Context, source, dest hypervisor.Host, v hypervisor.Volume, to string) ([]byte, error) {
	d := j.download(ctx, source, v.Name)
	defer d.Close()
	var content io.Reader = d
	if v.BackingPath != "" && v.BackingPath != j.backing.BackingPath {
		rebased, err := disk.Rebase(d, v.BackingPath, j.backing.BackingPath)
		if err != nil {
			return nil, fmt.Errorf("%s on %s: %w", v.Name, j.hostName(j.op.From), err)
		}
		content = rebased
	}
	sum := sha256.New()
	progress := j.transfer("copying " + v.Name)
	err := dest.UploadVolume(ctx, j.pool(), to, io.TeeReader(content, sum), v.FileBytes, func(n int64) { progress(n, v.FileBytes) })
	if err != nil {
		return nil, errors.Join(d.failure(), err)
	}
	return sum.Sum(nil), nil
}

// download is the content of a volume, to be read. Close ends it.
type download struct {
	*io.PipeReader
	cancel context.CancelFunc
	done   chan struct{}
	err    error // once done is closed
}

func (j *Job) download(ctx context.Context, h hypervisor.Host, name string) *download {
	ctx, cancel := context.WithCancel(ctx)
	reader, writer := io.Pipe()
	d := &download{PipeReader: reader, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		d.err = h.DownloadVolume(ctx, j.pool(), name, writer, nil)
		writer.CloseWithError(d.err)
	}()
	return d
}

// Close ends the download and waits until it has.
func (d *download) Close() error {
	_ = d.PipeReader.CloseWithError(io.ErrClosedPipe)
	d.cancel()
	<-d.done
	return nil
}

// failure returns why a download ended that was to go on, nil when it goes on.
func (d *download) failure() error {
	select {
	case <-d.done:
		return d.err
	default:
		return nil
	}
}
