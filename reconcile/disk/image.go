package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

var (
	// ErrImage: the image itself can't be used or had; trying another host won't help.
	ErrImage = errors.New("image unusable")
	// ErrChecksum: the content is not what the spec's checksum says. It is an ErrImage.
	ErrChecksum = fmt.Errorf("%w: wrong checksum", ErrImage)
	// ErrFormat: the content is not of the format the spec says, or one that is refused. It is an ErrImage.
	ErrFormat = fmt.Errorf("%w: wrong format", ErrImage)
	// ErrTooLarge: the image, or user data, exceeds a limit. For images it comes with ErrImage.
	ErrTooLarge = errors.New("too large")
)

// Progress is called with bytes done of total; total is 0 when it isn't known. It must not block.
type Progress func(done, total int64)

// Source gets images onto the controller's side. The Store and Simulated are sources.
type Source interface {
	// Fetch returns the image's verified content. Its errors wrap ErrImage unless ctx ended.
	Fetch(ctx context.Context, image spec.Image, progress Progress) (File, error)
}

// File is the whole, verified content of an image.
type File struct {
	Path        string // "" when it is no file
	Format      string // "qcow2" or "raw"
	Size        int64  // bytes of the content
	VirtualSize int64  // bytes of the disk in it
	Digest      string // "sha256:<hex>" of the content

	open func() (io.ReadSeekCloser, error)
	same func() error // whether the content can still be the one that was verified
}

// Streamed returns a file that is read once, from its beginning, from what open returns. check, when it isn't nil,
// says afterwards whether what was read is the content of that digest.
func Streamed(format string, size, virtual int64, digest string, open func() (io.ReadCloser, error), check func() error) File {
	return File{
		Format: format, Size: size, VirtualSize: virtual, Digest: digest, same: check,
		open: func() (io.ReadSeekCloser, error) {
			r, err := open()
			if err != nil {
				return nil, err
			}
			return &stream{ReadCloser: r}, nil
		},
	}
}

// stream can be sought to its beginning as long as nothing was read.
type stream struct {
	io.ReadCloser
	read bool
}

// Read reads on.
func (s *stream) Read(p []byte) (int, error) {
	s.read = true
	return s.ReadCloser.Read(p)
}

// Seek refuses everything but the beginning of what wasn't read yet.
func (s *stream) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart || s.read {
		return 0, errors.New("a stream can't be sought")
	}
	return 0, nil
}

// Open returns the content from its beginning.
func (f File) Open() (io.ReadSeekCloser, error) {
	if f.open != nil {
		return f.open()
	}
	return os.Open(f.Path)
}

// unchanged fails when the file was changed since it was verified.
func (f File) unchanged() error {
	if f.same == nil {
		return nil
	}
	return f.same()
}

// Image is an image in the cache of a pool: the backing file of root disks.
type Image struct {
	Path   string
	Format string // "qcow2" or "raw"
	Bytes  int64  // virtual size
	Digest string // "sha256:<hex>" of its content
}

// Images brings images from a source into pools.
type Images struct {
	Source Source
	Cache  *Cache
}

// EnsureImage makes the image usable as a backing file in the pool, fetching and uploading it only
// where that is needed. It is idempotent, and callers at once share the work. Errors of the source
// wrap ErrImage; others are the host's.
func (i *Images) EnsureImage(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, image spec.Image, progress Progress) (Image, error) {
	if digest, ok := knownDigest(image); ok {
		got, err := i.Cache.Lookup(ctx, host, pool, digest, image.Format)
		if !errors.Is(err, hypervisor.ErrNotFound) {
			return got, err
		}
	}
	file, err := i.Source.Fetch(ctx, image, progress)
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", image.Name, err)
	}
	got, err := i.Cache.EnsureImage(ctx, host, pool, file, progress)
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", image.Name, err)
	}
	return got, nil
}

// Find returns the image of that digest if the pool has it, or else an error that wraps hypervisor.ErrNotFound.
func (i *Images) Find(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, digest, format string) (Image, error) {
	return i.Cache.Lookup(ctx, host, pool, digest, format)
}

// EnsureFile is EnsureImage for content that needn't be fetched.
func (i *Images) EnsureFile(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, file File, progress Progress) (Image, error) {
	return i.Cache.EnsureImage(ctx, host, pool, file, progress)
}

// knownDigest returns the digest that the spec itself declares.
func knownDigest(image spec.Image) (string, bool) {
	return image.Checksum, strings.HasPrefix(image.Checksum, "sha256:")
}

// report calls progress unless it is nil.
func (p Progress) report(done, total int64) {
	if p != nil {
		p(done, total)
	}
}
