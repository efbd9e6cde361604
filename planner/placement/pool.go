package placement

import (
	"github.com/novaplan/novaplan/cluster/state"
)

// Pool is a pool as a host has it.
type Pool struct {
	Path       string // see state.Pool.Dir
	Shared     bool   // its space is the same on every host
	Room       state.Room
	AllowedMiB int64 // see state.Room.AllowedMiB
	UsedMiB    int64 // promised to begin with; of a shared pool by all hosts together

	used *int64
}

// Pool returns the host's pool at p's directory, or one without any space.
func (h *Host) Pool(p state.Pool) *Pool {
	dir := p.Dir()
	for i := range h.Pools {
		if h.Pools[i].Path == dir {
			return &h.Pools[i]
		}
	}
	return &Pool{Path: dir, used: new(int64)}
}

// Used returns how many MiB of the pool are promised now.
func (p *Pool) Used() int64 { return *p.used }

// free is what isn't promised of the pool, the ratio not applied. What others write there is left out: it changes
// from one look to the next, and would send instances elsewhere between a plan and its approval.
func (p *Pool) free() int64 { return p.Room.SizeMiB - *p.used }

// countPools gives each pool of the hosts a counter, a shared one the same on every host.
func countPools(hosts []*Host) {
	shared := map[string]*int64{}
	for _, h := range hosts {
		for i := range h.Pools {
			p := &h.Pools[i]
			p.used = new(int64)
			*p.used = p.UsedMiB
			if !p.Shared {
				continue
			}
			if all := shared[p.Path]; all != nil {
				p.used = all
			} else {
				shared[p.Path] = p.used
			}
		}
	}
}

// space is the part of a class that looks at a shared pool: what is used of it changes with every placement
// anywhere, and the answers of its hosts only when use leaves these bounds.
type space struct {
	used  *int64 // nil: the class has its disks on each host's own pool
	above int64  // use above this
	most  int64  // and up to this changes no answer
}

// watch finds the bounds between which no host answers otherwise than now.
func (s *space) watch(f *Fleet, r *Request, hosts []int32) {
	const infinity = int64(1) << 62
	s.used, s.above, s.most = nil, -infinity, infinity
	wanted := r.Size.TotalDiskMiB()
	for _, i := range hosts {
		p := f.Hosts[i].Pool(r.Pool)
		if !p.Shared {
			continue
		}
		s.used = p.used
		if last := p.AllowedMiB - wanted; last < *p.used {
			s.above = max(s.above, last)
		} else {
			s.most = min(s.most, last)
		}
	}
}

// holds reports whether use is within the bounds still.
func (s *space) holds() bool { return s.used == nil || *s.used > s.above && *s.used <= s.most }
