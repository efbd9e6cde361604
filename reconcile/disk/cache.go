package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// Cache uploads images into pools, once each. It is safe for concurrent use; several processes may
// fill one shared pool.
type Cache struct {
	opts    CacheOptions
	flights flights[cacheKey, Image]
}

// CacheOptions tune a Cache. The zero value is right for use.
type CacheOptions struct {
	Poll  time.Duration // between looks at somebody else's upload; 0 is 1 s
	Stall time.Duration // without growth makes a half upload rubbish; 0 is 15 s
}

// cacheKey is one image in one pool. A shared pool is the same whichever host reaches it.
type cacheKey struct {
	host   hypervisor.Host
	path   string
	digest string
}

// uploadRounds is how often an upload is begun before the pool is given up.
const uploadRounds = 3

// NewCache returns a cache of images in pools.
func NewCache(opts CacheOptions) *Cache {
	if opts.Poll == 0 {
		opts.Poll = time.Second
	}
	if opts.Stall == 0 {
		opts.Stall = 15 * time.Second
	}
	return &Cache{opts: opts}
}

// volumeNames returns the names of an image's volume and of its marker.
func volumeNames(digest, format string) (volume, marker string) {
	base := "np-image-" + strings.TrimPrefix(digest, "sha256:")[:12]
	return base + "." + format, base + ".ok"
}

// slot is where one image belongs.
type slot struct {
	host           hypervisor.Host
	pool           hypervisor.Pool
	volume, marker string
	digest         string
}

func newSlot(host hypervisor.Host, pool hypervisor.Pool, digest, format string) slot {
	s := slot{host: host, pool: pool, digest: digest}
	s.volume, s.marker = volumeNames(digest, format)
	return s
}

// Lookup returns the image if the pool has it, whole, or else an error that wraps hypervisor.ErrNotFound.
func (c *Cache) Lookup(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, digest, format string) (Image, error) {
	if len(digest) < len("sha256:")+12 {
		return Image{}, fmt.Errorf("%w: digest %q", ErrImage, digest)
	}
	s := newSlot(host, pool, digest, format)
	if _, err := host.GetVolume(ctx, pool, s.marker); err != nil {
		return Image{}, err
	}
	v, err := host.GetVolume(ctx, pool, s.volume)
	if err != nil {
		return Image{}, err
	}
	return s.image(v), nil
}

func (s slot) image(v hypervisor.Volume) Image {
	return Image{Path: v.Path, Format: v.Format, Bytes: v.Bytes, Digest: s.digest}
}

// EnsureImage returns the image's volume in the pool, uploading the file unless it is there. A volume
// without marker is somebody's upload while it grows, and rubbish when it has stopped growing.
func (c *Cache) EnsureImage(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, file File, progress Progress) (Image, error) {
	key := cacheKey{host, pool.Path, file.Digest}
	if pool.Shared {
		key.host = nil
	}
	return c.flights.do(ctx, key, progress, func(ctx context.Context, progress Progress) (Image, error) {
		return c.ensure(ctx, newSlot(host, pool, file.Digest, file.Format), file, progress)
	})
}

func (c *Cache) ensure(ctx context.Context, s slot, file File, progress Progress) (Image, error) {
	if _, err := s.host.EnsurePool(ctx, s.pool); err != nil {
		return Image{}, err
	}
	for range uploadRounds {
		got, err := c.Lookup(ctx, s.host, s.pool, s.digest, file.Format)
		if err == nil {
			return got, s.check(got, file)
		}
		if !errors.Is(err, hypervisor.ErrNotFound) {
			return Image{}, err
		}
		if err := c.clear(ctx, s); err != nil {
			return Image{}, err
		}
		// clear has found or made a free place, or the finished work of somebody else.
		if got, err := c.Lookup(ctx, s.host, s.pool, s.digest, file.Format); err == nil {
			return got, s.check(got, file)
		}
		err = c.upload(ctx, s, file, progress)
		if err != nil && !errors.Is(err, hypervisor.ErrExists) {
			return Image{}, err
		}
	}
	return Image{}, fmt.Errorf("volume %s: others keep changing it: %w", s.volume, hypervisor.ErrExists)
}

// check refuses a volume that has the image's name and is something else.
func (s slot) check(got Image, file File) error {
	if got.Format != file.Format || got.Bytes < file.VirtualSize {
		return fmt.Errorf("volume %s is %s of %d bytes, the image is %s of %d: delete it and its marker %s: %w",
			s.volume, got.Format, got.Bytes, file.Format, file.VirtualSize, s.marker, hypervisor.ErrExists)
	}
	return nil
}

// clear waits while somebody uploads, and removes what an upload left that didn't finish, or a marker
// without its volume. It deletes only what it has just seen to be rubbish: what is absent now may be
// somebody's work in a moment. What disks stand on was whole once, and isn't rubbish whatever became of
// its marker: it gets a new one.
func (c *Cache) clear(ctx context.Context, s slot) error {
	found, err := c.await(ctx, s)
	if err != nil {
		return err
	}
	switch found {
	case whole:
		return nil
	case rubbish:
		used, err := StoodOn(ctx, s.host, s.pool, s.volume)
		switch {
		case err != nil:
			return err
		case used != "":
			return s.mark(ctx)
		}
		return s.remove(ctx, s.volume)
	}
	if _, err := s.host.GetVolume(ctx, s.pool, s.marker); err == nil {
		return s.remove(ctx, s.marker)
	}
	return nil
}

// remove deletes a volume that may have gone meanwhile. For one that isn't there no deletion is sent: it could
// take effect late, on one that is.
func (s slot) remove(ctx context.Context, name string) error {
	if _, err := s.host.GetVolume(ctx, s.pool, name); err != nil {
		if errors.Is(err, hypervisor.ErrNotFound) {
			return nil
		}
		return err
	}
	if err := s.host.DeleteVolume(ctx, s.pool, name); err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
		return fmt.Errorf("remains of an upload: %w", err)
	}
	return nil
}

// condition is what is found where an image belongs.
type condition int

const (
	absent  condition = iota // no volume
	whole                    // a volume and its marker
	rubbish                  // a volume without marker that has stopped growing
)

// await watches the image's place until it is one of the conditions.
func (c *Cache) await(ctx context.Context, s slot) (condition, error) {
	size, grown := int64(-1), time.Now()
	for {
		v, err := s.host.GetVolume(ctx, s.pool, s.volume)
		if errors.Is(err, hypervisor.ErrNotFound) {
			return absent, nil
		}
		if err != nil {
			return absent, err
		}
		switch _, err := s.host.GetVolume(ctx, s.pool, s.marker); {
		case err == nil:
			return whole, nil
		case !errors.Is(err, hypervisor.ErrNotFound):
			return absent, err
		}
		if v.Allocated != size {
			size, grown = v.Allocated, time.Now()
		} else if time.Since(grown) >= c.opts.Stall {
			return rubbish, nil
		}
		if err := pause(ctx, c.opts.Poll); err != nil {
			return absent, err
		}
	}
}

// upload makes the volume, fills it and marks it whole. Who makes the volume owns it: ErrExists says
// that somebody else has begun meanwhile. A marker that stands there already is of an earlier volume.
func (c *Cache) upload(ctx context.Context, s slot, file File, progress Progress) error {
	spec := hypervisor.VolumeSpec{Name: s.volume, Format: file.Format, Bytes: file.VirtualSize}
	if _, err := s.host.CreateVolume(ctx, s.pool, spec); err != nil {
		if errors.Is(err, hypervisor.ErrNoSpace) {
			s.discard(ctx)
		}
		return err
	}
	err := s.remove(ctx, s.marker)
	if err == nil {
		err = s.fill(ctx, file, progress)
	}
	if err == nil {
		err = c.untouched(ctx, s, file)
	}
	if err == nil {
		err = file.unchanged()
	}
	if errors.Is(err, hypervisor.ErrExists) {
		return err // what stands there is not ours to discard
	}
	if err != nil {
		s.discard(ctx)
		return err
	}
	return s.mark(ctx)
}

func (s slot) fill(ctx context.Context, file File, progress Progress) error {
	r, err := file.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrImage, err)
	}
	defer r.Close()
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("%w: %w", ErrImage, err)
	}
	return s.host.UploadVolume(ctx, s.pool, s.volume, r, file.Size, func(done int64) { progress.report(done, file.Size) })
}

// untouched tests that the volume under our name is the one that we filled: somebody who took ours for
// rubbish is filling a new one, which grows. On storage that compresses, a whole one is small, but still.
func (c *Cache) untouched(ctx context.Context, s slot, file File) error {
	size, since := int64(-1), time.Now()
	for {
		v, err := s.host.GetVolume(ctx, s.pool, s.volume)
		switch {
		case err != nil:
			return err
		case v.Allocated >= file.Size, v.Allocated == size && time.Since(since) >= c.opts.Stall:
			return nil
		case size >= 0 && v.Allocated != size:
			return fmt.Errorf("volume %s: somebody else uploads it: %w", s.volume, hypervisor.ErrExists)
		}
		size = v.Allocated
		if err := pause(ctx, c.opts.Poll); err != nil {
			return err
		}
	}
}

// mark says that the volume is whole.
func (s slot) mark(ctx context.Context) error {
	_, err := s.host.CreateVolume(ctx, s.pool, hypervisor.VolumeSpec{Name: s.marker, Format: "raw", Bytes: sector})
	if errors.Is(err, hypervisor.ErrExists) {
		return nil
	}
	if errors.Is(err, hypervisor.ErrUnknown) {
		_, err = s.host.GetVolume(ctx, s.pool, s.marker)
	}
	return err
}

// discardTimeout bounds the clean-up after a failed upload.
const discardTimeout = 10 * time.Second

// discard removes what a failed upload of ours left. When that fails too, the missing marker still tells
// the next one what it is.
func (s slot) discard(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	_ = s.host.DeleteVolume(ctx, s.pool, s.volume)
}
