package reconcile

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

const (
	// imageAge is how long nothing must have stood on a cached image before it is deleted: Nova's
	// remove_unused_original_minimum_age_seconds.
	imageAge = 24 * time.Hour
	// imageNoted is how much older a record of an image's use may be than the use.
	imageNoted = time.Hour
)

// cachedImages is one pass over the images in the pools of our hosts.
type cachedImages struct {
	c     *Controller
	st    state.State
	disks map[string]bool // paths of disks of recorded instances and of the trash, by PoolKey
	stood map[string]bool // paths that something stands on, by PoolKey
	ours  map[string]state.CachedImage
}

// noteImages records which cached images are in use, now and by disks in the trash: what a disk of a recorded
// instance stands on is ours.
func (c *Controller) noteImages(ctx context.Context) error {
	st := c.rec.State()
	if st.Level < state.LevelServed { // a member of an older version would halt
		return nil
	}
	look, err := c.lookAtImages(ctx, st)
	var used []state.CachedImage
	for key, image := range look.ours {
		if known, ok := st.Images.Get(key); !ok || time.Since(known.UsedAt) >= imageNoted {
			used = append(used, image)
		}
	}
	for key, known := range st.Images.All() {
		if _, noted := look.ours[key]; !noted && look.inUse(known) && time.Since(known.UsedAt) >= imageNoted {
			used = append(used, *known)
		}
	}
	if len(used) == 0 {
		return err
	}
	return errors.Join(err, c.commit(ctx, state.Command{NoteImages: &state.NoteImages{Used: used}}))
}

// evictImages deletes cached images on which nothing has stood for imageAge. Only what the record knows to be ours
// is deleted, by its recorded name, while nothing is under way that could use it; whatever stands on one, ours or
// not, keeps it.
func (c *Controller) evictImages(ctx context.Context) error {
	c.approving.Lock() // nothing new begins meanwhile
	defer c.approving.Unlock()
	st := c.rec.State()
	idle := st.IdleImages(imageAge)
	if len(idle) == 0 {
		return nil
	}
	look, err := c.lookAtImages(ctx, st)
	errs := []error{err}
	for _, image := range idle {
		if look.inUse(image) {
			continue
		}
		if err := c.evict(ctx, st, image); err != nil {
			errs = append(errs, fmt.Errorf("cached image %s: %w", path.Join(image.Pool.Dir(), image.Volume), err))
		}
	}
	return errors.Join(errs...)
}

// evict deletes one image through the first host that reaches it, and then the record of it.
func (c *Controller) evict(ctx context.Context, st state.State, image *state.CachedImage) error {
	var last error
	for _, address := range c.reaching(st, image.Host, image.Pool) {
		h, err := c.ours(ctx, st, address)
		pool := hypervisor.Pool{Path: image.Pool.Dir(), Shared: image.Pool.Shared}
		if err == nil {
			_, err = h.EnsurePool(ctx, pool) // an unmounted share shows nothing that stands on it
		}
		if err == nil {
			err = c.unusedElsewhere(ctx, st, h, path.Join(pool.Path, image.Volume))
		}
		if err == nil {
			err = disk.Evict(ctx, h, pool, image.Volume)
		}
		if last = err; err == nil {
			c.log.Info("deleted an unused image", "path", path.Join(pool.Path, image.Volume), "unused_since", image.UsedAt)
			return c.commit(ctx, state.Command{NoteImages: &state.NoteImages{Gone: []string{image.Key()}}})
		}
		if errors.Is(err, disk.ErrInUse) {
			return nil
		}
	}
	return last
}

// unusedElsewhere is disk.ErrInUse when a file in any pool of a host stands on the image, or a domain has it as a disk.
func (c *Controller) unusedElsewhere(ctx context.Context, st state.State, h hypervisor.Host, file string) error {
	for _, p := range c.pools(st, nil) {
		volumes, err := h.ListVolumes(ctx, hypervisor.Pool{Path: p.Path, Shared: p.Shared})
		if err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
			return err
		}
		for _, v := range volumes {
			if v.BackingPath == file {
				return fmt.Errorf("%w: %s stands on it", disk.ErrInUse, v.Path)
			}
		}
	}
	domains, err := h.ListDomains(ctx)
	if err != nil {
		return err
	}
	for _, d := range domains {
		if slices.Contains(d.Disks, file) {
			return fmt.Errorf("%w: domain %s has it", disk.ErrInUse, d.Name)
		}
	}
	return nil
}

// lookAtImages lists the pools of the hosts that are ours. What could be listed is in the result, also beside an error;
// images in other pools are neither noted nor deleted.
func (c *Controller) lookAtImages(ctx context.Context, st state.State) (*cachedImages, error) {
	look := &cachedImages{c: c, st: st, disks: map[string]bool{}, stood: map[string]bool{}, ours: map[string]state.CachedImage{}}
	pools := map[string]state.CachedImage{} // host and pool, by PoolKey
	note := func(host spec.Address, pool state.Pool, disks []state.Disk) {
		key := state.PoolKey(host, pool)
		pools[key] = state.CachedImage{Host: host, Pool: pool}
		for _, d := range disks {
			look.disks[key+d.Path] = true
		}
	}
	for _, in := range st.Instances.All() {
		note(in.Host, in.Pool, in.Disks)
	}
	for _, trash := range st.Trash.All() {
		note(trash.Host, trash.Pool, trash.Disks)
	}
	for _, image := range st.Images.All() {
		if key := state.PoolKey(image.Host, image.Pool); pools[key].Pool.Path == "" {
			note(image.Host, image.Pool, nil)
		}
	}
	var errs []error
	for key, at := range pools {
		if err := look.list(ctx, key, at); err != nil {
			errs = append(errs, fmt.Errorf("images in %s: %w", at.Pool.Dir(), err))
		}
	}
	return look, errors.Join(errs...)
}

// list notes what the files of a pool stand on. Hosts that didn't answer a moment ago are left out.
func (l *cachedImages) list(ctx context.Context, key string, at state.CachedImage) error {
	var last error
	seen := l.c.lastSeen()
	for _, address := range l.c.reaching(l.st, at.Host, at.Pool) {
		if o := seen.Hosts[address]; o == nil || !o.Reachable {
			continue
		}
		h, err := l.c.hosts.Host(ctx, address)
		if err != nil {
			last = err
			continue
		}
		volumes, err := operation.Timed(h, l.c.opts.Times).ListVolumes(ctx, hypervisor.Pool{Path: at.Pool.Dir(), Shared: at.Pool.Shared})
		if last = err; err != nil {
			continue
		}
		for _, v := range volumes {
			if v.BackingPath == "" {
				continue
			}
			l.stood[key+v.BackingPath] = true
			if dir, name := path.Split(v.BackingPath); l.disks[key+v.Path] && path.Clean(dir) == path.Clean(at.Pool.Dir()) {
				image := state.CachedImage{Host: at.Host, Pool: at.Pool, Volume: name}
				l.ours[image.Key()] = image
			}
		}
		return nil
	}
	return last
}

// inUse reports whether something was seen to stand on an image.
func (l *cachedImages) inUse(image *state.CachedImage) bool {
	return l.stood[state.PoolKey(image.Host, image.Pool)+path.Join(image.Pool.Dir(), image.Volume)]
}
