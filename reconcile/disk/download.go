package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// download returns the path of the file with that checksum, fetched from url unless it is there. A
// download in progress is a .partial file, locked by whoever writes it and taken up where it
// broke off; only a whole and verified one gets its name.
func (s *Store) download(ctx context.Context, url string, want checksum, progress Progress) (string, error) {
	path := downloaded(s.dir, want)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	partial, err := s.lockPartial(ctx, strings.TrimSuffix(path, ".image")+".partial")
	if err != nil {
		return "", err
	}
	defer partial.Close()
	if _, err := os.Stat(path); err == nil { // another process was quicker
		return path, nil
	}
	resumed, err := s.fill(ctx, url, partial, progress)
	if err == nil {
		err = s.settle(ctx, partial, path, want)
	}
	if errors.Is(err, ErrChecksum) && resumed {
		// What was there from an earlier time may have been of another content: once more from the start.
		if err = partial.Truncate(0); err == nil {
			_, err = s.fill(ctx, url, partial, progress)
		}
		if err == nil {
			err = s.settle(ctx, partial, path, want)
		}
	}
	if errors.Is(err, ErrChecksum) || errors.Is(err, ErrTooLarge) {
		_ = os.Remove(partial.Name()) // it will never be right
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("no space left in %s for the image: %w", s.dir, err)
	}
	return path, err
}

// lockPartial opens the partial file as its only writer, waiting for another process that is. Who waits
// and finds it renamed opens a new one.
func (s *Store) lockPartial(ctx context.Context, name string) (*os.File, error) {
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && sameFile(f, name) {
			return f, nil
		}
		f.Close()
		if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, err
		}
		if err := pause(ctx, s.opts.Backoff); err != nil {
			return nil, err
		}
	}
}

func sameFile(f *os.File, name string) bool {
	mine, err := f.Stat()
	there, errThere := os.Stat(name)
	return err == nil && errThere == nil && os.SameFile(mine, there)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fill downloads what is missing, going on where a connection broke as long as that brings bytes. It
// reports whether it took up what an earlier call left.
func (s *Store) fill(ctx context.Context, url string, partial *os.File, progress Progress) (resumed bool, err error) {
	backoff := s.opts.Backoff
	failures, most := 0, int64(-1)
	for {
		have, err := partial.Seek(0, io.SeekEnd)
		if err != nil {
			return resumed, err
		}
		if most < 0 {
			resumed = have > 0
		} else if have > most { // a server without ranges may send the same bytes for ever
			failures, backoff = 0, s.opts.Backoff
		}
		most = max(most, have)
		err = s.attempt(ctx, url, partial, have, progress)
		if err == nil || !isTransient(err) || ctx.Err() != nil {
			return resumed, err
		}
		failures++
		if failures >= s.opts.Attempts {
			return resumed, fmt.Errorf("after %d attempts: %w", failures, err)
		}
		if err := pause(ctx, backoff); err != nil {
			return resumed, err
		}
		backoff *= 2
	}
}

// transient marks errors that another attempt may not have.
type transient struct{ error }

func (t transient) Unwrap() error { return t.error }

func isTransient(err error) bool { return errors.As(err, new(transient)) }

// attempt sends one request for what comes after the first have bytes and appends it.
func (s *Store) attempt(ctx context.Context, url string, partial *os.File, have int64, progress Progress) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(s.opts.Stall, func() { cancel(fmt.Errorf("nothing came for %s", s.opts.Stall)) })
	defer stall.Stop()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", "identity") // the checksum is of the file, not of what a server makes of it
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	resp, err := s.opts.Client.Do(req)
	if err != nil {
		return transient{stalled(ctx, err)}
	}
	defer resp.Body.Close()
	have, total, err := s.begin(resp, partial, have)
	if err != nil || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return err
	}
	meter := &meter{ctx: ctx, done: have, total: total, progress: func(done, total int64) {
		stall.Reset(s.opts.Stall)
		progress.report(done, total)
	}}
	body := &source{r: io.LimitReader(resp.Body, s.opts.MaxBytes-have+1)}
	got, err := io.Copy(io.MultiWriter(partial, meter), body)
	switch {
	case body.err != nil:
		return transient{stalled(ctx, body.err)}
	case err != nil && context.Cause(ctx) != nil:
		return transient{context.Cause(ctx)}
	case err != nil:
		return err
	case have+got > s.opts.MaxBytes:
		return s.tooLarge(have + got)
	case total > 0 && have+got < total:
		return transient{io.ErrUnexpectedEOF}
	}
	return nil
}

// stalled returns why ctx was cancelled, if that is the cause of err.
func stalled(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// source remembers that reading failed, to tell it from a failing disk.
type source struct {
	r   io.Reader
	err error
}

// Read reads on.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// begin judges the answer and returns where its body belongs and how large the whole is, 0 when that
// isn't said. A server that ignores Range starts from the beginning.
func (s *Store) begin(resp *http.Response, partial *os.File, have int64) (at, total int64, err error) {
	total = max(resp.ContentLength, 0)
	switch code := resp.StatusCode; {
	case code == http.StatusPartialContent:
		first, size, err := contentRange(resp.Header.Get("Content-Range"))
		if err != nil || first != have {
			return 0, 0, errors.Join(partial.Truncate(0), transient{fmt.Errorf("asked for bytes from %d, got range %q", have, resp.Header.Get("Content-Range"))})
		}
		at, total = have, size
	case code == http.StatusRequestedRangeNotSatisfiable && have > 0:
		// We have all of it, or too much: the checksum will tell.
		return have, have, nil
	case code == http.StatusOK:
		if err := partial.Truncate(0); err != nil {
			return 0, 0, err
		}
		if _, err := partial.Seek(0, io.SeekStart); err != nil {
			return 0, 0, err
		}
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return 0, 0, transient{fmt.Errorf("server says %s", resp.Status)}
	default:
		return 0, 0, fmt.Errorf("%w: server says %s", ErrImage, resp.Status)
	}
	if total > s.opts.MaxBytes {
		return 0, 0, s.tooLarge(total)
	}
	return at, total, nil
}

// contentRange reads "bytes FIRST-LAST/SIZE"; an unknown size is 0.
func contentRange(header string) (first, size int64, err error) {
	span, whole, _ := strings.Cut(strings.TrimPrefix(header, "bytes "), "/")
	begin, _, ok := strings.Cut(span, "-")
	if !ok {
		return 0, 0, fmt.Errorf("bad Content-Range %q", header)
	}
	if first, err = strconv.ParseInt(begin, 10, 64); err != nil {
		return 0, 0, err
	}
	if whole == "*" {
		return first, 0, nil
	}
	size, err = strconv.ParseInt(whole, 10, 64)
	return first, size, err
}

// settle verifies a partial file and gives it its name.
func (s *Store) settle(ctx context.Context, partial *os.File, path string, want checksum) error {
	size, err := partial.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := partial.Seek(0, io.SeekStart); err != nil {
		return err
	}
	digest, err := sum(ctx, partial, size, want, nil)
	if err != nil {
		return err
	}
	if err := partial.Sync(); err != nil {
		return err
	}
	if err := os.Rename(partial.Name(), path); err != nil {
		return err
	}
	if err := syncDir(s.dir); err != nil {
		return err
	}
	if id, err := identify(partial); err == nil {
		s.remember(path, id, want, digest)
	}
	return nil
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
