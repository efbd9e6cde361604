package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/novaplan/novaplan/spec"
)

// Store keeps images on the controller's side, in one folder. Downloads are kept under the name of
// their checksum; local files stay where they are and only their digest is remembered. It is safe for
// concurrent use, also by several processes on one folder.
type Store struct {
	dir     string
	opts    StoreOptions
	flights flights[fetchKey, File]
}

// StoreOptions tune a Store. The zero value is right for use.
type StoreOptions struct {
	Client   *http.Client  // nil: one without a total timeout
	MaxBytes int64         // largest image; 0 is DefaultMaxBytes
	Attempts int           // to go on with a broken download; 0 is 5
	Backoff  time.Duration // before the second attempt, doubled each time; 0 is 1 s
	Stall    time.Duration // without a byte ends an attempt; 0 is 1 min
}

// DefaultMaxBytes is the largest image a Store takes unless told otherwise.
const DefaultMaxBytes = 256 << 30

// fetchKey is what makes two fetches the same.
type fetchKey struct{ location, checksum, format string }

// NewStore returns the store in folder dir, which is made when missing, for its owner only.
func NewStore(dir string, opts StoreOptions) (*Store, error) {
	if opts.Client == nil {
		opts.Client = &http.Client{}
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = DefaultMaxBytes
	}
	if opts.Attempts == 0 {
		opts.Attempts = 5
	}
	if opts.Backoff == 0 {
		opts.Backoff = time.Second
	}
	if opts.Stall == 0 {
		opts.Stall = time.Minute
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("image store: %w", err)
	}
	return &Store{dir: dir, opts: opts}, nil
}

// Fetch returns the image's content: a download that is whole and verified, or a local file in
// place. Callers at once share one download. Errors wrap ErrImage unless ctx ended.
func (s *Store) Fetch(ctx context.Context, image spec.Image, progress Progress) (File, error) {
	key := fetchKey{image.Location, image.Checksum, image.Format}
	file, err := s.flights.do(ctx, key, progress, func(ctx context.Context, progress Progress) (File, error) {
		return s.fetch(ctx, image, progress)
	})
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrImage) {
		err = fmt.Errorf("%w: %w", ErrImage, err)
	}
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", image.Location, err)
	}
	return file, nil
}

func (s *Store) fetch(ctx context.Context, image spec.Image, progress Progress) (File, error) {
	var want checksum
	if image.Checksum != "" {
		var err error
		if want, err = parseChecksum(image.Checksum); err != nil {
			return File{}, err
		}
	}
	if !isURL(image.Location) {
		return s.local(ctx, image, want, progress)
	}
	if want == (checksum{}) {
		return File{}, fmt.Errorf("%w: an image from a URL needs a checksum", ErrImage)
	}
	path, err := s.download(ctx, image.Location, want, progress)
	if err != nil {
		return File{}, err
	}
	return s.file(ctx, path, image.Format, want, nil)
}

func isURL(location string) bool {
	return strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://")
}

// local verifies a file in place.
func (s *Store) local(ctx context.Context, image spec.Image, want checksum, progress Progress) (File, error) {
	if !filepath.IsAbs(image.Location) {
		return File{}, fmt.Errorf("%w: neither an http(s) URL nor an absolute path", ErrImage)
	}
	return s.file(ctx, image.Location, image.Format, want, progress)
}

// file inspects the file at path and computes, or remembers, its digest.
func (s *Store) file(ctx context.Context, path, format string, want checksum, progress Progress) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	id, err := identify(f)
	if err != nil {
		return File{}, err
	}
	if id.Size > s.opts.MaxBytes {
		return File{}, s.tooLarge(id.Size)
	}
	virtual, err := Inspect(f, id.Size, format)
	if err != nil {
		return File{}, err
	}
	digest, ok := s.remembered(path, id, want)
	if !ok {
		if digest, err = sum(ctx, f, id.Size, want, progress); err != nil {
			return File{}, err
		}
		file := File{Path: path, same: func() error { return id.check(path) }}
		if err := file.unchanged(); err != nil {
			return File{}, err
		}
		s.remember(path, id, want, digest)
	}
	return File{
		Path: path, Format: format, Size: id.Size, VirtualSize: virtual, Digest: digest,
		same: func() error { return id.check(path) },
	}, nil
}

func (s *Store) tooLarge(size int64) error {
	return fmt.Errorf("%w: %w: %d bytes, the limit is %d", ErrImage, ErrTooLarge, size, s.opts.MaxBytes)
}

// sum reads the whole file and returns its digest if the declared checksum fits.
func sum(ctx context.Context, r io.Reader, size int64, want checksum, progress Progress) (string, error) {
	hashes := newSummer(want)
	meter := &meter{ctx: ctx, total: size, progress: progress}
	if _, err := io.Copy(io.MultiWriter(hashes, meter), r); err != nil {
		return "", err
	}
	return hashes.verify()
}

// meter is a writer that reports how much was written, and stops when ctx ends.
type meter struct {
	ctx         context.Context
	done, total int64
	progress    Progress
}

// Write counts p.
func (m *meter) Write(p []byte) (int, error) {
	m.done += int64(len(p))
	m.progress.report(m.done, m.total)
	return len(p), m.ctx.Err()
}

// identity tells one content of a file from another without reading it.
type identity struct {
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime_ns"`
	Inode uint64 `json:"inode"`
}

func identify(f *os.File) (identity, error) {
	info, err := f.Stat()
	if err != nil {
		return identity{}, err
	}
	if !info.Mode().IsRegular() {
		return identity{}, fmt.Errorf("%w: not a regular file", ErrImage)
	}
	id := identity{Size: info.Size(), Mtime: info.ModTime().UnixNano()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		id.Inode = stat.Ino
	}
	return id, nil
}

// check fails when the file at path is not the one that was identified.
func (id identity) check(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrImage, err)
	}
	defer f.Close()
	now, err := identify(f)
	if err == nil && now != id {
		err = fmt.Errorf("%w: the file changed while it was used", ErrImage)
	}
	return err
}

// memory is what the store remembers of a file that it has read.
type memory struct {
	identity
	Path     string `json:"path"`
	Declared string `json:"declared,omitempty"` // the checksum that was verified
	Digest   string `json:"digest"`
}

func (s *Store) memoryPath(path string, want checksum) string {
	name := newSummer(checksum{})
	fmt.Fprintf(name, "%s\n%s", path, want) // a hash never fails
	digest, _ := name.verify()
	return filepath.Join(s.dir, "digest-"+strings.TrimPrefix(digest, "sha256:")[:32]+".json")
}

// remembered returns the digest of a file that was read before and has not changed since.
func (s *Store) remembered(path string, id identity, want checksum) (string, bool) {
	raw, err := os.ReadFile(s.memoryPath(path, want))
	if err != nil {
		return "", false
	}
	var m memory
	if json.Unmarshal(raw, &m) != nil || m.identity != id || m.Path != path || m.Declared != declared(want) {
		return "", false
	}
	return m.Digest, true
}

// remember saves time later; failing to do so costs only that.
func (s *Store) remember(path string, id identity, want checksum, digest string) {
	raw, err := json.Marshal(memory{identity: id, Path: path, Declared: declared(want), Digest: digest})
	if err == nil {
		_ = writeWhole(s.memoryPath(path, want), raw)
	}
}

func declared(c checksum) string {
	if c == (checksum{}) {
		return ""
	}
	return c.String()
}

// writeWhole writes a small file so that it is there whole or not at all.
func writeWhole(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error counts
	}
	return err
}
