package sim

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// transferSteps is how often a transfer that takes time reports its progress.
const transferSteps = 20

// skipBeyond is the size in bytes from which uploads are skipped without looking whether they
// compress well.
const skipBeyond = 1 << 20

// UploadVolume fills a volume. What exceeds Options.KeepContent is skipped, when r can seek, and
// not kept.
func (c *conn) UploadVolume(ctx context.Context, want hypervisor.Pool, name string, r io.Reader, size int64, progress func(int64)) error {
	const method = "UploadVolume"
	admitted := c.admitTransfer(ctx, method)
	if admitted.err != nil || admitted.dropped {
		return c.refusedTransfer(method, admitted)
	}
	into, err := call(ctx, c.direct(), method, func(t *turn) (*openVolume, error) {
		return t.openVolume(c.host, want, name, size)
	})
	if err != nil {
		return err
	}
	in := &intake{r: r, keep: c.world.opts.KeepContent, whole: size}
	err = c.transfer(ctx, method, admitted.cut, size, progress, func(n int64) (err error) {
		if err = in.take(n); err == nil {
			c.world.turn(func(t *turn) { err = into.write(t, n) })
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("volume %s: %w", name, err)
	}
	_, err = call(ctx, c.direct(), method, func(t *turn) (none, error) {
		into.finish(t, size, in)
		return none{}, nil
	})
	if err == nil && admitted.lost {
		return c.unknown(method, "the answer was lost")
	}
	return err
}

// admission is what became of a transfer's start.
type admission struct {
	sent
	dropped bool
}

// admitTransfer lets a fault befall a transfer once, as a whole.
func (c *conn) admitTransfer(ctx context.Context, method string) admission {
	var a admission
	var f Fault
	c.world.turn(func(t *turn) { f, a.sent = c.admit(ctx, t, method) })
	// A stream's late half has nobody to read from: it is as good as dropped.
	a.dropped = f.Kind == Drop || f.Kind == Late
	if a.err == nil && f.Kind == Delay {
		a.err = c.pause(ctx, method, a.cut, f.After)
	}
	return a
}

func (c *conn) refusedTransfer(method string, a admission) error {
	if a.err != nil {
		return a.err
	}
	return c.unknown(method, "the stream broke")
}

// direct is the same connection, for the further calls of a method whose fault is decided.
func (c *conn) direct() *conn {
	return &conn{world: c.world, host: c.host, name: c.name, decided: true, local: c.local, closed: c.closed}
}

// transfer takes size bytes in steps, at the world's speed.
func (c *conn) transfer(ctx context.Context, method string, cut <-chan struct{}, size int64, progress func(int64), take func(int64) error) error {
	total := c.world.transfer(size, c.world.opts.UploadSpeed)
	steps := int64(transferSteps)
	if total == 0 {
		steps = 1
	}
	var done int64
	for i := range steps {
		next := size * (i + 1) / steps
		if err := take(next - done); err != nil {
			return err
		}
		done = next
		if err := c.pause(ctx, method, cut, total/time.Duration(steps)); err != nil {
			return err
		}
		if progress != nil {
			progress(done)
		}
	}
	return nil
}

// openVolume is a volume that is being written to. Deleting the volume does not end that: what is
// written then is lost with it, and a new volume of that name is another one.
type openVolume struct {
	host *host
	pool *pool
	name string
	file *volume
	done int64
}

// openVolume opens a volume for an upload: from here on its content is incomplete.
func (t *turn) openVolume(h *host, want hypervisor.Pool, name string, size int64) (*openVolume, error) {
	p, v, err := t.w.volume(h, want, name)
	if err != nil {
		return nil, err
	}
	v.Incomplete, v.Content, v.Size = true, nil, 0
	t.changedVolume(p, name)
	if grow := size - v.Allocated; grow > t.w.available(h, p) {
		return nil, fmt.Errorf("volume %s: %w", path.Join(p.path, name), hypervisor.ErrNoSpace)
	}
	return &openVolume{host: h, pool: p, name: name, file: v}, nil
}

// linked reports whether the volume is still there.
func (o *openVolume) linked() bool { return o.pool.volumes[o.name] == o.file }

// write takes n more bytes. The journal hears of them when the upload is finished: one that breaks
// off with the process leaves rubbish of any size.
func (o *openVolume) write(t *turn, n int64) error {
	o.done += n
	if grow := o.done - o.file.Allocated; o.linked() && grow > 0 {
		if grow > t.w.available(o.host, o.pool) {
			return hypervisor.ErrNoSpace
		}
		o.pool.resize(o.file, o.done)
	}
	return nil
}

// finish makes the content complete, with the size its header says.
func (o *openVolume) finish(t *turn, size int64, in *intake) {
	v := o.file
	v.Incomplete, v.Size, v.Content = false, size, in.content()
	if v.Format == "raw" {
		v.Bytes = max(v.Bytes, size)
	} else {
		v.readHeader(in.head)
	}
	if o.linked() {
		t.changedVolume(o.pool, o.name)
	}
}

// DownloadVolume copies a volume's content, if the world has kept it.
func (c *conn) DownloadVolume(ctx context.Context, want hypervisor.Pool, name string, w io.Writer, progress func(int64)) error {
	const method = "DownloadVolume"
	admitted := c.admitTransfer(ctx, method)
	if admitted.err != nil || admitted.dropped || admitted.lost {
		return c.refusedTransfer(method, admitted)
	}
	content, err := call(ctx, c.direct(), method, func(t *turn) (*volumeReader, error) {
		_, v, err := t.w.volume(c.host, want, name)
		if err != nil {
			return nil, err
		}
		return v.reader(name)
	})
	if err != nil {
		return err
	}
	return c.transfer(ctx, method, admitted.cut, content.size, progress, func(n int64) error {
		_, err := io.CopyN(w, content, n)
		return err
	})
}

// volumeReader reads a volume's file.
type volumeReader struct {
	io.Reader
	size int64
}

func (v *volume) reader(name string) (*volumeReader, error) {
	switch {
	case v.Content != nil:
		return &volumeReader{flate.NewReader(bytes.NewReader(v.Content)), v.Size}, nil
	case v.Size > 0:
		return nil, fmt.Errorf("volume %s: %w: the simulation kept none of its %d bytes", name, hypervisor.ErrUnsupported, v.Size)
	case v.Format == "raw":
		return &volumeReader{io.LimitReader(zeros{}, v.Bytes), v.Bytes}, nil
	}
	return &volumeReader{bytes.NewReader(qcow2Header(v)), qcow2HeadSize}, nil
}

// fileBytes is the length of the file.
func (v *volume) fileBytes() int64 {
	switch {
	case v.Size > 0:
		return v.Size
	case v.Format == "raw":
		return v.Bytes
	}
	return qcow2HeadSize
}

// zeros reads as an endless empty disk.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// The start of a qcow2 file, big endian: magic, version, at 8 where the backing file's path is and at 16 its length,
// at 24 the virtual size.
const (
	qcow2Magic    = "QFI\xfb"
	qcow2HeadSize = 1200 // with room for a path
	qcow2PathAt   = 104
)

// readHeader takes over what the start of a qcow2 file says; other content says nothing.
func (v *volume) readHeader(head []byte) {
	if len(head) < 32 || string(head[:4]) != qcow2Magic {
		return
	}
	v.Bytes = int64(binary.BigEndian.Uint64(head[24:]))
	at, length := binary.BigEndian.Uint64(head[8:]), uint64(binary.BigEndian.Uint32(head[16:]))
	size := uint64(len(head))
	if v.BackingPath = ""; at > 0 && at <= size && length <= size-at {
		v.BackingPath = string(head[at : at+length])
	}
	v.Written = writingIn(head)
}

// qcow2Header is the start of a qcow2 file, and all that the simulation has of one that guests write.
func qcow2Header(v *volume) []byte {
	head := make([]byte, qcow2HeadSize)
	copy(head, qcow2Magic)
	binary.BigEndian.PutUint32(head[4:], 2)
	binary.BigEndian.PutUint32(head[20:], 16)
	binary.BigEndian.PutUint64(head[24:], uint64(v.Bytes))
	if v.BackingPath != "" {
		binary.BigEndian.PutUint64(head[8:], qcow2PathAt)
		binary.BigEndian.PutUint32(head[16:], uint32(copy(head[qcow2PathAt:], v.BackingPath)))
	}
	v.Written.put(head)
	return head
}

// intake reads an upload and keeps it, deflated, while it is small.
type intake struct {
	r     io.Reader
	keep  int   // compressed bytes
	whole int64 // bytes to come
	head  []byte

	buffer bytes.Buffer
	press  *flate.Writer
	over   bool // too much to keep
}

// take reads n more bytes.
func (in *intake) take(n int64) error {
	if in.press == nil {
		in.press, _ = flate.NewWriter(&in.buffer, flate.BestSpeed) // a valid level never fails
	}
	if missing := qcow2HeadSize - int64(len(in.head)); missing > 0 {
		part := make([]byte, min(missing, n))
		if _, err := io.ReadFull(in.r, part); err != nil {
			return whole(err)
		}
		in.head = append(in.head, part...)
		if _, err := in.press.Write(part); err != nil {
			return err
		}
		n -= int64(len(part))
	}
	if s, ok := in.r.(io.Seeker); ok && in.whole > max(int64(in.keep), skipBeyond) {
		in.over = true
		return skip(s, n)
	}
	_, err := io.CopyN(in, in.r, n)
	return whole(err)
}

// whole makes an early end an error: the caller promised more.
func whole(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Write keeps p, until there is too much.
func (in *intake) Write(p []byte) (int, error) {
	if in.over {
		return len(p), nil
	}
	if in.buffer.Len() > in.keep {
		in.over = true
		in.buffer = bytes.Buffer{}
		return len(p), nil
	}
	return in.press.Write(p)
}

// content is what was kept, nil when it was too much.
func (in *intake) content() []byte {
	if in.over || in.press == nil || in.press.Close() != nil || in.buffer.Len() > in.keep {
		return nil
	}
	return in.buffer.Bytes()
}

// skip moves s by n bytes that must exist.
func skip(s io.Seeker, n int64) error {
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	end, err := s.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if end-at < n {
		return io.ErrUnexpectedEOF
	}
	_, err = s.Seek(at+n, io.SeekStart)
	return err
}
