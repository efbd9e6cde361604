package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
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

// A place is where an image may be: a volume, and a marker that says what the volume is. Each place is used once, and
// an image has as many as it needs:
//
//   - Whoever makes the volume fills the place.
//   - The marker is made once and stays. Its size decides: sealed when the volume is whole, burnt when the place was
//     given up. Of two that want different things the first wins.
//   - A volume is deleted when its place is seen to be burnt, so a deletion that takes effect late finds its volume
//     gone, and never another one of that name.
//   - An image that nobody has used for long is burnt too, by making its marker grow: see Evict.
type place struct {
	host           hypervisor.Host
	pool           hypervisor.Pool
	volume, marker string
	digest         string
}

// The sizes of markers in bytes.
const (
	sealed = sector
	burnt  = 2 * sector
)

// placeNames returns the names of the volume and the marker of an image's n-th place.
func placeNames(digest, format string, n int) (volume, marker string) {
	base := "np-image-" + strings.TrimPrefix(digest, "sha256:")[:12]
	if n > 0 {
		base += "-" + strconv.Itoa(n)
	}
	return base + "." + format, base + ".ok"
}

func newPlace(host hypervisor.Host, pool hypervisor.Pool, digest, format string, n int) place {
	p := place{host: host, pool: pool, digest: digest}
	p.volume, p.marker = placeNames(digest, format, n)
	return p
}

// condition is what a place is found to be.
type condition int

const (
	free    condition = iota // neither volume nor marker
	begun                    // a volume without marker
	whole                    // a volume in a sealed place
	emptied                  // a sealed place whose volume somebody else has deleted
	givenUp                  // a burnt place, whether or not it still has a volume
)

// look says what the place is, and returns its volume if there is one.
func (p place) look(ctx context.Context) (condition, hypervisor.Volume, error) {
	marker, markerErr := p.host.GetVolume(ctx, p.pool, p.marker)
	if markerErr != nil && !errors.Is(markerErr, hypervisor.ErrNotFound) {
		return free, hypervisor.Volume{}, markerErr
	}
	v, err := p.host.GetVolume(ctx, p.pool, p.volume)
	if err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
		return free, v, err
	}
	switch marked, there := markerErr == nil, err == nil; {
	case marked && marker.Bytes == burnt:
		return givenUp, v, nil
	case marked && there:
		return whole, v, nil
	case marked:
		return emptied, v, nil
	case there:
		return begun, v, nil
	}
	return free, v, nil
}

// Lookup returns the image if the pool has it, whole, or else an error that wraps hypervisor.ErrNotFound.
func (c *Cache) Lookup(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, digest, format string) (Image, error) {
	if len(digest) < len("sha256:")+12 {
		return Image{}, fmt.Errorf("%w: digest %q", ErrImage, digest)
	}
	for n := 0; ; n++ {
		p := newPlace(host, pool, digest, format, n)
		found, v, err := p.look(ctx)
		switch {
		case err != nil:
			return Image{}, err
		case found == whole:
			return p.image(v), nil
		case found == free:
			return Image{}, fmt.Errorf("volume %s: %w", p.volume, hypervisor.ErrNotFound)
		}
	}
}

func (p place) image(v hypervisor.Volume) Image {
	return Image{Path: v.Path, Format: v.Format, Bytes: v.Bytes, Digest: p.digest}
}

// EnsureImage returns the image's volume in the pool, uploading the file unless it is there. A volume
// without marker is somebody's upload while it grows, and rubbish when it has stopped growing.
func (c *Cache) EnsureImage(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, file File, progress Progress) (Image, error) {
	key := cacheKey{host, pool.Path, file.Digest}
	if pool.Shared {
		key.host = nil
	}
	return c.flights.do(ctx, key, progress, func(ctx context.Context, progress Progress) (Image, error) {
		return c.ensure(ctx, host, pool, file, progress)
	})
}

// ensure goes from place to place until one has the image.
func (c *Cache) ensure(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, file File, progress Progress) (Image, error) {
	if _, err := host.EnsurePool(ctx, pool); err != nil {
		return Image{}, err
	}
	uploads := 0
	for n := 0; ; {
		p := newPlace(host, pool, file.Digest, file.Format, n)
		found, v, err := p.look(ctx)
		switch {
		case err != nil:
			return Image{}, err
		case found == whole:
			return p.image(v), p.check(v, file)
		case found == emptied:
			n++
			continue
		case found == givenUp:
			if err := p.remove(ctx); err != nil {
				return Image{}, err
			}
			n++
			continue
		case found == begun:
			if err := c.await(ctx, p); err != nil {
				return Image{}, err
			}
			continue
		}
		if uploads++; uploads > uploadRounds {
			return Image{}, fmt.Errorf("volume %s: others keep changing it: %w", p.volume, hypervisor.ErrExists)
		}
		if err := p.upload(ctx, file, progress); err != nil && !errors.Is(err, hypervisor.ErrExists) {
			return Image{}, err
		}
	}
}

// check refuses a volume that has the image's name and is something else.
func (p place) check(v hypervisor.Volume, file File) error {
	if v.Format != file.Format || v.Bytes < file.VirtualSize {
		return fmt.Errorf("volume %s is %s of %d bytes, the image is %s of %d: delete it and its marker %s: %w",
			p.volume, v.Format, v.Bytes, file.Format, file.VirtualSize, p.marker, hypervisor.ErrExists)
	}
	return nil
}

// await waits while somebody's upload grows, and settles what becomes of one that stands still. What disks stand on
// was whole once, whatever became of its marker, and is sealed again; other remains are burnt.
func (c *Cache) await(ctx context.Context, p place) error {
	size, grown := int64(-1), time.Now()
	for {
		found, v, err := p.look(ctx)
		if err != nil || found != begun {
			return err
		}
		if v.Allocated != size {
			size, grown = v.Allocated, time.Now()
		} else if time.Since(grown) >= c.opts.Stall {
			break
		}
		if err := pause(ctx, c.opts.Poll); err != nil {
			return err
		}
	}
	user, err := StoodOn(ctx, p.host, p.pool, p.volume)
	if err != nil {
		return err
	}
	if user != "" {
		return p.mark(ctx, sealed)
	}
	return p.mark(ctx, burnt)
}

// upload makes the volume, fills it and seals the place. Who makes the volume fills it: ErrExists says that somebody
// else has begun meanwhile, or has given it up.
func (p place) upload(ctx context.Context, file File, progress Progress) error {
	spec := hypervisor.VolumeSpec{Name: p.volume, Format: file.Format, Bytes: file.VirtualSize}
	if _, err := p.host.CreateVolume(ctx, p.pool, spec); err != nil {
		if errors.Is(err, hypervisor.ErrNoSpace) {
			p.giveUp(ctx)
		}
		return err
	}
	err := p.fill(ctx, file, progress)
	if err == nil {
		err = file.unchanged()
	}
	if err != nil {
		p.giveUp(ctx)
		return err
	}
	return p.mark(ctx, sealed)
}

func (p place) fill(ctx context.Context, file File, progress Progress) error {
	r, err := file.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrImage, err)
	}
	defer r.Close()
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("%w: %w", ErrImage, err)
	}
	return p.host.UploadVolume(ctx, p.pool, p.volume, r, file.Size, func(done int64) { progress.report(done, file.Size) })
}

// mark makes the place's marker, unless it has one: the first decides.
func (p place) mark(ctx context.Context, size int64) error {
	_, err := p.host.CreateVolume(ctx, p.pool, hypervisor.VolumeSpec{Name: p.marker, Format: "raw", Bytes: size})
	if errors.Is(err, hypervisor.ErrExists) {
		return nil
	}
	if errors.Is(err, hypervisor.ErrUnknown) {
		if _, lookErr := p.host.GetVolume(ctx, p.pool, p.marker); lookErr == nil {
			return nil
		}
	}
	return err
}

// remove deletes the volume of a burnt place, if it is there and nothing stands on it: a place that was whole is burnt
// when its image is evicted, perhaps too late.
func (p place) remove(ctx context.Context) error {
	if _, err := p.host.GetVolume(ctx, p.pool, p.volume); err != nil {
		if errors.Is(err, hypervisor.ErrNotFound) {
			return nil
		}
		return err
	}
	if user, err := StoodOn(ctx, p.host, p.pool, p.volume); err != nil || user != "" {
		return err
	}
	if err := p.host.DeleteVolume(ctx, p.pool, p.volume); err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
		return fmt.Errorf("remains of an upload: %w", err)
	}
	return nil
}

// giveUpTimeout bounds the clean-up after a failed upload.
const giveUpTimeout = 10 * time.Second

// giveUp burns the place of an upload of ours that failed. When that fails too, the missing marker still tells
// the next one what it is. Where no marker has room beside the remains, these go first: nobody else deletes what
// has no marker.
func (p place) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUpTimeout)
	defer cancel()
	if err := p.mark(ctx, burnt); errors.Is(err, hypervisor.ErrNoSpace) {
		_ = p.remove(ctx)
		_ = p.mark(ctx, burnt)
	}
	if found, _, err := p.look(ctx); err == nil && found == givenUp { // somebody else may have sealed it
		_ = p.remove(ctx)
	}
}
