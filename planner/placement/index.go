package placement

import (
	"sort"

	"github.com/novaplan/novaplan/spec"
)

// Index picks hosts for many requests in a row, with the same answers as Scheduler.Rank. What it
// keeps per class of request is described at class.
type Index struct {
	scheduler *Scheduler
	fleet     *Fleet

	static  []Filter // filters by what they depend on, order kept
	dynamic []Filter
	hosts   map[facts][]int32 // static candidates
	classes map[classKey]*class
	scratch scan
}

// classKey identifies requests that every host answers alike: equal facts and the same group.
type classKey struct {
	facts
	group *spec.ServerGroup
}

// NewIndex returns an index of f under the policy s. It follows every later change of f.
func NewIndex(s *Scheduler, f *Fleet) *Index {
	x := &Index{scheduler: s, fleet: f, hosts: map[facts][]int32{}, classes: map[classKey]*class{}}
	for _, flt := range s.filters {
		if flt.Static {
			x.static = append(x.static, flt)
		} else {
			x.dynamic = append(x.dynamic, flt)
		}
	}
	return x
}

// Pick returns the ordinal of the best host for r, or -1. The caller puts the instance there.
func (x *Index) Pick(r *Request) int {
	key := classKey{facts: r.facts(), group: r.Group}
	if !indexable(r) {
		return x.scan(r, x.narrow(r, x.candidates(key.facts, r)))
	}
	c := x.classes[key]
	if c == nil {
		c = newClass(x, r, x.candidates(key.facts, r))
		x.classes[key] = c
	}
	c.follow()
	return c.best()
}

// indexable: placing something changes the answer of no host but the one it was put on. That isn't so
// where an instance looks at where others are.
func indexable(r *Request) bool {
	affine := r.Group != nil && r.Group.Policy == spec.Affinity
	return !affine && len(r.SameHost) == 0 && len(r.DifferentHost) == 0
}

// candidates returns the hosts that pass the static filters, in spec order.
func (x *Index) candidates(key facts, r *Request) []int32 {
	if hosts, ok := x.hosts[key]; ok {
		return hosts
	}
	hosts := []int32{}
	for i := range x.fleet.Hosts {
		if passes(x.static, x.fleet, r, i) {
			hosts = append(hosts, int32(i))
		}
	}
	x.hosts[key] = hosts
	return hosts
}

// narrow leaves out hosts that an affinity or same_host would remove anyway, so that a scan is short.
func (x *Index) narrow(r *Request, candidates []int32) []int32 {
	var only []int
	switch {
	case len(r.SameHost) > 0:
		only = x.fleet.Places(r.SameHost[0])
	case r.Group != nil && r.Group.Policy == spec.Affinity:
		if only = x.fleet.MemberHosts(r.Group.Address); len(only) == 0 {
			return candidates
		}
	default:
		return candidates
	}
	var hosts []int32
	for _, i := range only {
		at := sort.Search(len(candidates), func(k int) bool { return candidates[k] >= int32(i) })
		if at < len(candidates) && candidates[at] == int32(i) {
			hosts = append(hosts, int32(i))
		}
	}
	sort.Slice(hosts, func(a, b int) bool { return hosts[a] < hosts[b] })
	return hosts
}

func passes(filters []Filter, f *Fleet, r *Request, i int) bool {
	for k := range filters {
		if !filters[k].Passes(f, r, i) {
			return false
		}
	}
	return true
}

// scan is the room that a look at every candidate needs, used again by the next.
type scan struct {
	hosts   []int32
	raw     []float64
	weights []float64
}

// scan picks among candidates without remembering anything.
func (x *Index) scan(r *Request, candidates []int32) int {
	s := &x.scratch
	s.hosts, s.weights = s.hosts[:0], s.weights[:0]
	for _, i := range candidates {
		if passes(x.dynamic, x.fleet, r, int(i)) {
			s.hosts = append(s.hosts, i)
			s.weights = append(s.weights, 0)
		}
	}
	if len(s.hosts) < 2 {
		return only(s.hosts)
	}
	for _, w := range x.scheduler.weighers {
		if w.Applies(r) {
			s.add(x.fleet, r, &w)
		}
	}
	best := 0
	for k, weight := range s.weights {
		if weight > s.weights[best] {
			best = k
		}
	}
	return int(s.hosts[best])
}

func (s *scan) add(f *Fleet, r *Request, w *Weigher) {
	s.raw = s.raw[:0]
	for _, i := range s.hosts {
		s.raw = append(s.raw, w.Raw(f, r, int(i)))
	}
	lo, hi := s.raw[0], s.raw[0]
	for _, v := range s.raw {
		lo, hi = min(lo, v), max(hi, v)
	}
	lo = w.bound(lo)
	for k, v := range s.raw {
		s.weights[k] += float64(w.Multiplier * normalize(v, lo, hi))
	}
}

func only(hosts []int32) int {
	if len(hosts) == 0 {
		return -1
	}
	return int(hosts[0])
}
