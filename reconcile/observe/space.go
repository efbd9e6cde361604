package observe

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// VolumePeeker is implemented by hosts that list the volumes of a pool without making it usable. Others are asked
// with ListVolumes.
type VolumePeeker interface {
	PeekVolumes(ctx context.Context, pool hypervisor.Pool) ([]hypervisor.Volume, error)
}

// seenPool is one pool as a host has it, before what is in it was added up.
type seenPool struct {
	pool    *spec.Pool
	info    hypervisor.PoolInfo
	volumes []hypervisor.Volume
	listed  bool
}

// shares sees to it that the files of a shared pool are listed once in a look, by whichever host is free to.
type shares struct {
	want  func(path string) bool // nil: all
	mu    sync.Mutex
	taken map[string]bool
	files map[string][]hypervisor.Volume // by path, of those that were listed
}

// take reports whether the caller is to list a pool.
func (s *shares) take(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[path] || s.want != nil && !s.want(path) {
		return false
	}
	s.taken[path] = true
	return true
}

// give hands in the files of a pool; without any, because of an error, another host may try.
func (s *shares) give(path string, files []hypervisor.Volume, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.taken[path] = false
		return
	}
	s.files[path] = files
}

// pools returns the pools of the spec that the host has or can have, in order of path. The files in them are
// listed where some are ours: on a host that is claimed, or has instances on record.
func (l Look) pools(ctx context.Context, h *spec.Host, open hypervisor.Host, claimed bool) ([]seenPool, error) {
	var pools []seenPool
	for i := range l.Pools {
		p := &l.Pools[i]
		info, err := Peek(ctx, open, hypervisor.Pool{Path: p.Path, Shared: p.Shared})
		switch {
		case errors.Is(err, hypervisor.ErrUnreachable), errors.Is(err, hypervisor.ErrUnknown):
			return nil, err
		case err != nil:
			continue // not here: placement says so of each instance that wants it
		}
		seen := seenPool{pool: p, info: info}
		if claimed || len(l.Disks(h.Address, *p)) > 0 {
			if err := l.list(ctx, open, &seen); err != nil {
				return nil, err
			}
		}
		pools = append(pools, seen)
	}
	slices.SortStableFunc(pools, func(a, b seenPool) int { return strings.Compare(a.pool.Path, b.pool.Path) })
	return slices.CompactFunc(pools, func(a, b seenPool) bool { return a.pool.Path == b.pool.Path }), nil
}

// list fills in the files of a pool, unless another host does that. It fails only when the host doesn't answer.
func (l Look) list(ctx context.Context, open hypervisor.Host, seen *seenPool) error {
	at := seen.pool.Path
	if seen.pool.Shared && !l.shares.take(at) {
		return nil
	}
	pool := hypervisor.Pool{Path: at, Shared: seen.pool.Shared}
	list := open.ListVolumes
	if p, ok := open.(VolumePeeker); ok {
		list = p.PeekVolumes
	}
	volumes, err := list(ctx, pool)
	if seen.pool.Shared {
		l.shares.give(at, volumes, err)
	}
	switch {
	case errors.Is(err, hypervisor.ErrUnreachable), errors.Is(err, hypervisor.ErrUnknown):
		return err
	case err == nil, errors.Is(err, hypervisor.ErrNotFound): // a pool that isn't there yet has no files
		seen.volumes, seen.listed = volumes, true
	}
	return nil
}

// account adds up what takes the space of a host's pools, once all hosts were looked at.
func (l Look) account(address spec.Address, pools []seenPool, o *planner.HostObservation) {
	recorded := l.Recorded(address)
	o.Written = map[string]int64{}
	for i := range pools {
		s := &pools[i]
		if files, ok := l.shares.files[s.pool.Path]; ok && s.pool.Shared {
			s.volumes, s.listed = files, true
		}
		ours := l.Disks(address, *s.pool)
		if !s.pool.Shared {
			written(s.volumes, ours, o.Written)
			if s.listed {
				o.Listed = append(o.Listed, s.pool.Path)
			}
		}
		before := recordedPool(recorded, s.pool.Path)
		o.Inventory.Pools = append(o.Inventory.Pools, steady(before, s.inventory(ours, before)))
		for _, digest := range cachedImages(s.volumes) {
			o.Images = append(o.Images, planner.CachedImage{Pool: s.pool.Path, Digest: digest})
		}
	}
}

// writtenShared returns what the disks of recorded instances take of the shared pools that were listed.
func (l Look) writtenShared() map[string]int64 {
	all := map[string]int64{}
	for i := range l.Pools {
		if p := &l.Pools[i]; p.Shared {
			written(l.shares.files[p.Path], l.Disks("", *p), all)
		}
	}
	return all
}

// written adds what the files that are ours take, in MiB by path, and returns the sum in bytes.
func written(volumes []hypervisor.Volume, ours map[string]bool, by map[string]int64) (bytes int64) {
	for i := range volumes {
		if v := &volumes[i]; ours[v.Name] {
			bytes += v.Allocated
			if by != nil {
				by[v.Path] = v.Allocated >> 20
			}
		}
	}
	return bytes
}

// inventory says of a pool what is taken by the disks of our instances and what by anything else. When nobody
// listed its files, as much is taken to be ours as was before.
func (s *seenPool) inventory(ours map[string]bool, before *state.PoolInventory) state.PoolInventory {
	mine := written(s.volumes, ours, nil)
	if !s.listed && len(ours) > 0 && before != nil {
		mine = before.WrittenMiB << 20
	}
	taken := max(0, s.info.Capacity-s.info.Available)
	mine = min(mine, taken)
	return state.PoolInventory{
		Path: s.pool.Path, CapacityMiB: s.info.Capacity >> 20, AvailableMiB: s.info.Available >> 20,
		WrittenMiB: mine >> 20, OtherMiB: (taken - mine + 1<<20 - 1) >> 20,
	}
}

func recordedPool(inv *state.Inventory, path string) *state.PoolInventory {
	if inv == nil {
		return nil
	}
	for i := range inv.Pools {
		if inv.Pools[i].Path == path {
			return &inv.Pools[i]
		}
	}
	return nil
}

// The figures of a pool may differ from the recorded ones by so much before that is worth recording.
const (
	jitterMiB   = 1024
	jitterShare = 64 // and by no more than this part of the pool
)

// steady returns the recorded figures when the seen ones differ too little to matter. Where little is left,
// every MiB does.
func steady(recorded *state.PoolInventory, seen state.PoolInventory) state.PoolInventory {
	if recorded == nil || recorded.CapacityMiB != seen.CapacityMiB {
		return seen
	}
	most := min(jitterMiB, seen.CapacityMiB/jitterShare)
	near := func(a, b int64) bool { return max(a-b, b-a) < most }
	if seen.AvailableMiB > 4*most && near(recorded.AvailableMiB, seen.AvailableMiB) &&
		near(recorded.WrittenMiB, seen.WrittenMiB) && near(recorded.OtherMiB, seen.OtherMiB) {
		return *recorded
	}
	return seen
}

// The names of cached images and the size of a marker: package disk makes them.
const (
	imagePrefix = "np-image-"
	imageMarker = ".ok"
	imageDigits = 12
	imageBurnt  = 1024 // bytes of a marker that says that there is no image
)

// cachedImages returns the first digits of the digests of the images that a pool has whole, sorted: a volume with a
// marker beside it that doesn't say that it was given up.
func cachedImages(volumes []hypervisor.Volume) []string {
	marked := map[string]bool{}
	for i := range volumes {
		if base, ok := strings.CutSuffix(volumes[i].Name, imageMarker); ok && volumes[i].Bytes != imageBurnt {
			marked[base] = true
		}
	}
	var digests []string
	for i := range volumes {
		base := strings.TrimSuffix(volumes[i].Name, path.Ext(volumes[i].Name))
		rest, ours := strings.CutPrefix(base, imagePrefix)
		if ours && len(rest) >= imageDigits && marked[base] && !strings.HasSuffix(volumes[i].Name, imageMarker) {
			digests = append(digests, rest[:imageDigits])
		}
	}
	slices.Sort(digests)
	return slices.Compact(digests)
}
