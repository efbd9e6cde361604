package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// UploadVolume implements hypervisor.Storage. r must not be used until it has been told to end: a Read that blocks
// when ctx ends goes on until it returns, and what it read is dropped.
func (h *host) UploadVolume(ctx context.Context, pool hypervisor.Pool, name string, r io.Reader, size int64, progress func(int64)) error {
	what := "upload volume " + path.Join(pool.Path, name)
	ref, err := h.freshVolume(ctx, pool, name)
	if err != nil {
		return h.fail(what, err, false)
	}
	source := &uploadReader{r: io.LimitReader(r, size), size: size, meter: meter{progress: progress}}
	err = h.transfer(ctx, &source.meter, func(s *session) error {
		err := s.rpc.StorageVolUpload(ref, source, 0, uint64(size), 0)
		if err == nil {
			err = source.failure()
		}
		return err
	})
	if own := source.failure(); own != nil {
		return fmt.Errorf("host %s: %s: %w", h.name, what, own)
	}
	return h.fail(what, err, true)
}

// DownloadVolume implements hypervisor.Storage.
func (h *host) DownloadVolume(ctx context.Context, pool hypervisor.Pool, name string, w io.Writer, progress func(int64)) error {
	what := "download volume " + path.Join(pool.Path, name)
	ref, err := h.freshVolume(ctx, pool, name)
	if err != nil {
		return h.fail(what, err, false)
	}
	target := &streamWriter{w: w, meter: meter{progress: progress}}
	err = h.transfer(ctx, &target.meter, func(s *session) error {
		target.failed = func(err error) { s.close(err) }
		return s.rpc.StorageVolDownload(ref, target, 0, 0, 0)
	})
	if own := target.failure(); own != nil {
		return fmt.Errorf("host %s: %s: %w", h.name, what, own)
	}
	return h.fail(what, err, false)
}

// transfer runs a stream on a connection of its own, which is cut when ctx ends or no byte has moved for
// a while.
func (h *host) transfer(ctx context.Context, m *meter, fn func(s *session) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		ticker := time.NewTicker(h.opts.TransferIdle)
		defer ticker.Stop()
		for last := int64(-1); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			now := m.done.Load()
			if now == last {
				cancel(fmt.Errorf("nothing moved for %s", h.opts.TransferIdle))
			}
			last = now
		}
	}()
	err := h.withSession(ctx, true, fn)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return &lostError{cause}
	}
	return err
}

// meter counts the bytes of a stream.
type meter struct {
	done     atomic.Int64
	progress func(int64)
}

func (m *meter) add(n int) {
	done := m.done.Add(int64(n))
	if m.progress != nil && n > 0 {
		m.progress(done)
	}
}

// errorKeeper remembers the first error of our own end of a stream.
type errorKeeper struct {
	mu  sync.Mutex
	err error
}

func (k *errorKeeper) keep(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.err = err
	}
}

func (k *errorKeeper) failure() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// uploadReader insists on the announced number of bytes.
type uploadReader struct {
	meter
	errorKeeper
	r    io.Reader
	size int64
}

func (u *uploadReader) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	u.add(n)
	switch {
	case err == nil:
	case !errors.Is(err, io.EOF):
		u.keep(err)
	case u.done.Load() < u.size:
		err = fmt.Errorf("the source ended after %d of %d bytes: %w", u.done.Load(), u.size, io.ErrUnexpectedEOF)
		u.keep(err)
	}
	return n, err
}

// streamWriter takes what a host sends. It never fails towards the RPC library, which would wait for its own lock
// for ever: a failed write ends the connection instead, and the rest is dropped.
type streamWriter struct {
	meter
	errorKeeper
	w      io.Writer
	failed func(error)
}

func (t *streamWriter) Write(p []byte) (int, error) {
	if t.failure() != nil {
		return len(p), nil
	}
	n, err := t.w.Write(p)
	t.add(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		t.keep(err)
		t.failed(err)
	}
	return len(p), nil
}
