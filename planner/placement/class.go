package placement

import "sort"

// class remembers, for requests that every host answers alike, who passes and how much it weighs.
//
// Placing an instance changes one host, and what is left of its pool. The class follows the fleet's list of changes and looks at
// that host alone. A weight depends on the other survivors only through each weigher's bounds, so
// as long as these stay as they are the best host comes from a tournament tree in O(log hosts); when a
// bound moves, all weights are made anew from the stored raw values in one pass over plain arrays.
type class struct {
	fleet   *Fleet
	request *Request
	dynamic []Filter

	hosts  []int32 // candidates in spec order; a position is an index into it
	passes []bool  // by position
	count  int     // of passing ones
	scales []scale
	weight []float64 // by position

	space space
	seen  int  // changes of the fleet followed
	fresh bool // weights are those of the present bounds
	tree  tournament
}

// scale is one weigher's raw values in a class, and their bounds over the passing hosts.
type scale struct {
	weigher  Weigher
	raw      []float64 // by position
	lo, hi   float64
	nlo, nhi int     // how many passing hosts are at the bounds
	wlo, whi float64 // the bounds that the weights were made with
}

func newClass(x *Index, r *Request, hosts []int32) *class {
	c := &class{
		fleet: x.fleet, request: r, dynamic: x.dynamic,
		hosts: hosts, passes: make([]bool, len(hosts)), weight: make([]float64, len(hosts)),
	}
	for _, w := range x.scheduler.applicable(r) {
		c.scales = append(c.scales, scale{weigher: w, raw: make([]float64, len(hosts))})
	}
	c.rebuild()
	return c
}

// rebuild looks at every candidate.
func (c *class) rebuild() {
	c.count = 0
	for p, i := range c.hosts {
		c.passes[p] = passes(c.dynamic, c.fleet, c.request, int(i))
		if c.passes[p] {
			c.count++
		}
		for k := range c.scales {
			s := &c.scales[k]
			s.raw[p] = s.weigher.Raw(c.fleet, c.request, int(i))
		}
	}
	for k := range c.scales {
		c.scales[k].measure(c.passes)
	}
	c.space.watch(c.fleet, c.request, c.hosts)
	c.seen, c.fresh = len(c.fleet.changes), false
}

// follow looks again at the hosts that changed since the last time.
func (c *class) follow() {
	changes := c.fleet.changes[c.seen:]
	if len(changes) > len(c.hosts) || !c.space.holds() {
		c.rebuild()
		return
	}
	for _, i := range changes {
		if p := sort.Search(len(c.hosts), func(k int) bool { return c.hosts[k] >= i }); p < len(c.hosts) && c.hosts[p] == i {
			c.update(p)
		}
	}
	c.seen = len(c.fleet.changes)
}

// update looks at one position again.
func (c *class) update(p int) {
	i := int(c.hosts[p])
	was, is := c.passes[p], passes(c.dynamic, c.fleet, c.request, i)
	c.passes[p] = is
	for k := range c.scales {
		s := &c.scales[k]
		old := s.raw[p]
		s.raw[p] = s.weigher.Raw(c.fleet, c.request, i)
		if was == is && old == s.raw[p] {
			continue
		}
		s.change(was, old, is, s.raw[p], c.passes)
	}
	switch {
	case was && !is:
		c.count--
	case is && !was:
		c.count++
	}
	if !c.fresh {
		return
	}
	if c.moved() {
		c.fresh = false
		return
	}
	c.weight[p] = c.weigh(p)
	if c.tree.built {
		c.tree.update(p, c.passes, c.weight)
	}
}

// moved reports whether a bound isn't the one that the weights were made with.
func (c *class) moved() bool {
	for k := range c.scales {
		s := &c.scales[k]
		if s.hi != s.whi || s.weigher.bound(s.lo) != s.wlo {
			return true
		}
	}
	return false
}

func (c *class) weigh(p int) float64 {
	total := 0.0
	for k := range c.scales {
		s := &c.scales[k]
		total += float64(s.weigher.Multiplier * normalize(s.raw[p], s.wlo, s.whi))
	}
	return total
}

// best returns the ordinal of the passing host that weighs most, the first of equals, or -1.
func (c *class) best() int {
	if c.count == 0 {
		return -1
	}
	if c.fresh {
		if !c.tree.built {
			c.tree.build(c.passes, c.weight)
		}
		return int(c.hosts[c.tree.winner()])
	}
	return int(c.hosts[c.weighAll()])
}

// weighAll makes all weights anew and returns the best position. The tree waits until the bounds have
// held for one more request: where they never do, building it would be for nothing.
func (c *class) weighAll() int {
	clear(c.weight)
	for k := range c.scales {
		s := &c.scales[k]
		s.wlo, s.whi = s.weigher.bound(s.lo), s.hi
		if s.wlo == s.whi {
			continue // every norm is 0
		}
		lo, width, multiplier := s.wlo, s.whi-s.wlo, s.weigher.Multiplier
		for p, raw := range s.raw {
			c.weight[p] += float64(multiplier * ((raw - lo) / width))
		}
	}
	best := -1
	for p, ok := range c.passes {
		if ok && (best < 0 || c.weight[p] > c.weight[best]) {
			best = p
		}
	}
	c.fresh, c.tree.built = true, false
	return best
}

// measure finds the bounds.
func (s *scale) measure(passes []bool) {
	s.nlo, s.nhi, s.lo, s.hi = 0, 0, 0, 0
	for p, ok := range passes {
		if ok {
			s.include(s.raw[p])
		}
	}
}

// include widens the bounds by a value.
func (s *scale) include(v float64) {
	if s.nlo == 0 || v < s.lo {
		s.lo, s.nlo = v, 1
	} else if v == s.lo {
		s.nlo++
	}
	if s.nhi == 0 || v > s.hi {
		s.hi, s.nhi = v, 1
	} else if v == s.hi {
		s.nhi++
	}
}

// change replaces one value. passes and raw are already the new ones.
func (s *scale) change(was bool, old float64, is bool, v float64, passes []bool) {
	if was {
		if old == s.lo {
			s.nlo--
		}
		if old == s.hi {
			s.nhi--
		}
		if s.nlo == 0 || s.nhi == 0 {
			s.measure(passes)
			return
		}
	}
	if is {
		s.include(v)
	}
}
