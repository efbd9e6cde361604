package placement

import "slices"

// Together returns the ordinal of the best host that takes all requests at once, -1 when there is none.
// Hosts come in the order in which the first request likes them; with among, only those in question. None
// of the instances may be in the fleet, which is afterwards as it was.
func (x *Index) Together(rs []*Request, among []int) int {
	first := *rs[0]
	first.SameHost, first.DifferentHost = nil, nil // they may name one of the others
	candidates := x.candidates(first.facts(), &first)
	if among != nil {
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(i int32) bool { return !slices.Contains(among, int(i)) })
	}
	best := x.scan(&first, candidates)
	if best < 0 || x.scheduler.takesAll(x.fleet, rs, best) {
		return best
	}
	for _, i := range x.scratch.ranked() {
		if i != best && x.scheduler.takesAll(x.fleet, rs, i) {
			return i
		}
	}
	return -1
}

// ranked returns the hosts of the last scan, the heaviest first, of equals the first.
func (s *scan) ranked() []int {
	order := make([]int, len(s.hosts))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case s.weights[a] > s.weights[b]:
			return -1
		case s.weights[a] < s.weights[b]:
			return 1
		}
		return 0
	})
	for k, at := range order {
		order[k] = int(s.hosts[at])
	}
	return order
}

// takesAll reports whether host i takes all requests: each one passes the filters when all others are there.
func (s *Scheduler) takesAll(f *Fleet, rs []*Request, i int) bool {
	k, _ := s.refusesAll(f, rs, i, func(*Filter, *Request) {})
	return k < 0
}

// refusesAll returns the first filter, by number, that removes host i for one of the requests when all others
// are there, and the request; -1 and nil when none does. It calls note while they are there.
func (s *Scheduler) refusesAll(f *Fleet, rs []*Request, i int, note func(*Filter, *Request)) (int, *Request) {
	changes := len(f.changes)
	for _, r := range rs {
		f.Put(i, r.Occupant())
	}
	defer func() {
		for _, r := range rs {
			f.Remove(i, r.Occupant())
		}
		f.changes = f.changes[:changes] // all is as it was: nobody has to look again
	}()
	for k := range s.filters {
		for _, r := range rs {
			f.Remove(i, r.Occupant())
			ok := s.filters[k].Passes(f, r, i)
			if !ok {
				note(&s.filters[k], r)
			}
			f.Put(i, r.Occupant())
			if !ok {
				return k, r
			}
		}
	}
	return -1, nil
}

// RankTogether says why no host takes all requests at once: how many hosts each filter removed for one of
// them, and the nearest miss. None of the instances may be in the fleet, which is afterwards as it was.
func (s *Scheduler) RankTogether(f *Fleet, rs []*Request) *Placement {
	p := &Placement{Candidates: len(f.Hosts)}
	removed := make([]*Rejection, len(s.filters))
	last, least := -1, 0.0
	for i, h := range f.Hosts {
		var lack float64
		var message string
		k, r := s.refusesAll(f, rs, i, func(x *Filter, r *Request) {
			if x.Lack != nil {
				lack = x.Lack(f, r, i)
			}
			message = string(r.Instance) + ", " + x.message(f, r, i)
		})
		if r == nil {
			continue
		}
		if removed[k] == nil {
			removed[k] = &Rejection{Filter: s.filters[k].Name, Example: h.Name + ", " + message}
		}
		removed[k].Hosts++
		if k > last || k == last && lack < least {
			last, least = k, lack
			p.Nearest = &Nearest{Host: h.Address, Name: h.Name, Filter: s.filters[k].Name, Message: message}
		}
	}
	for _, r := range removed {
		if r != nil {
			p.Rejections = append(p.Rejections, *r)
		}
	}
	return p
}
