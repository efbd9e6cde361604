package placement

import (
	"cmp"
	"slices"

	"github.com/novaplan/novaplan/spec"
)

// Preset names of a scheduler block.
const (
	PresetOwn  = ""     // all filters, all weighers
	PresetNova = "nova" // Nova's classic set
)

// Scheduler is a placement policy: the filters and weighers in force, in order.
type Scheduler struct {
	filters  []Filter
	weighers []Weigher // with the multipliers in force; none is 0
}

// New returns the policy that a scheduler block asks for. Names that don't exist are left out: the
// language refuses them before.
func New(s spec.Scheduler) *Scheduler {
	x := &Scheduler{filters: allFilters()}
	weighers := allWeighers()
	if s.Preset == PresetNova {
		x.filters, weighers = novaFilters(), []Weigher{ramWeigher()}
	}
	if s.Filters != nil {
		x.filters = chosenFilters(s.Filters)
	}
	for _, w := range allWeighers() {
		m, named := s.Multipliers[w.Name]
		preset := slices.ContainsFunc(weighers, func(p Weigher) bool { return p.Name == w.Name })
		if !named && !preset {
			continue
		}
		if named {
			w.Multiplier = m
		}
		if w.Multiplier != 0 {
			x.weighers = append(x.weighers, w)
		}
	}
	return x
}

// Uses reports whether a filter is in force.
func (s *Scheduler) Uses(filter string) bool {
	return slices.ContainsFunc(s.filters, func(f Filter) bool { return f.Name == filter })
}

// applicable returns the weighers that have something to say about r.
func (s *Scheduler) applicable(r *Request) []Weigher {
	var ws []Weigher
	for _, w := range s.weighers {
		if w.Applies(r) {
			ws = append(ws, w)
		}
	}
	return ws
}

// Rank finds the best host for r and says why: how many hosts each filter removed, the nearest miss
// when none is left, and with explain every host's reason and every survivor's weight in parts. The
// fleet is not changed.
func (s *Scheduler) Rank(f *Fleet, r *Request, explain bool) *Placement {
	p := &Placement{Candidates: len(f.Hosts)}
	survivors := s.filter(f, r, explain, p)
	ranked := s.weigh(f, r, survivors)
	for k, h := range ranked {
		if p.Host == "" || h.Weight > p.Weight {
			p.Host, p.Weight = ranked[k].Host, h.Weight
		}
	}
	if explain {
		slices.SortStableFunc(ranked, func(a, b RankedHost) int {
			switch {
			case a.Weight > b.Weight:
				return -1
			case a.Weight < b.Weight:
				return 1
			}
			return 0
		})
		p.Ranked = ranked
	}
	return p
}

// filter returns the hosts that pass and records in p what removed the others.
func (s *Scheduler) filter(f *Fleet, r *Request, explain bool, p *Placement) []int {
	left := make([]int, len(f.Hosts))
	for i := range left {
		left[i] = i
	}
	var short []shortOf
	for k := range s.filters {
		x := &s.filters[k]
		kept, removed := left[:0:0], []int(nil)
		for _, i := range left {
			if x.Passes(f, r, i) {
				kept = append(kept, i)
			} else {
				removed = append(removed, i)
			}
		}
		left = kept
		if len(removed) > 0 {
			p.Rejections = append(p.Rejections, x.rejection(f, r, removed, explain))
			p.Nearest = x.nearest(f, r, removed)
			if x.Lack != nil {
				short = append(short, shortOf{x, removed})
			}
			if x.Company {
				p.Nearest = cmp.Or(x.shortInCompany(f, r, short), p.Nearest)
			}
		}
	}
	if len(left) > 0 {
		p.Nearest = nil
	}
	return left
}

func (x *Filter) rejection(f *Fleet, r *Request, removed []int, explain bool) Rejection {
	rej := Rejection{Filter: x.Name, Hosts: len(removed)}
	rej.Example = f.Hosts[removed[0]].Name + ", " + x.message(f, r, removed[0])
	if explain {
		for _, i := range removed {
			rej.Reasons = append(rej.Reasons, HostReason{f.Hosts[i].Address, x.message(f, r, i)})
		}
	}
	return rej
}

// shortOf are hosts that a filter removed because they lack something that can be measured.
type shortOf struct {
	filter *Filter
	hosts  []int
}

// shortInCompany is the nearest of the hosts that pass x and lacked room, of the last filter that removed any; nil
// when there is none.
func (x *Filter) shortInCompany(f *Fleet, r *Request, short []shortOf) *Nearest {
	for _, s := range slices.Backward(short) {
		passing := slices.DeleteFunc(slices.Clone(s.hosts), func(i int) bool { return !x.Passes(f, r, i) })
		if len(passing) > 0 {
			return s.filter.nearest(f, r, passing)
		}
	}
	return nil
}

// nearest is the removed host that lacks least, the first of equals.
func (x *Filter) nearest(f *Fleet, r *Request, removed []int) *Nearest {
	best := removed[0]
	if x.Lack != nil {
		for _, i := range removed[1:] {
			if x.Lack(f, r, i) < x.Lack(f, r, best) {
				best = i
			}
		}
	}
	h := f.Hosts[best]
	return &Nearest{Host: h.Address, Name: h.Name, Filter: x.Name, Message: x.message(f, r, best)}
}

// weigh returns the survivors with their weights, in spec order. A single one isn't weighed.
func (s *Scheduler) weigh(f *Fleet, r *Request, survivors []int) []RankedHost {
	ranked := make([]RankedHost, len(survivors))
	for k, i := range survivors {
		ranked[k].Host = f.Hosts[i].Address
	}
	if len(survivors) < 2 {
		return ranked
	}
	for _, w := range s.applicable(r) {
		raws := make([]float64, len(survivors))
		for k, i := range survivors {
			raws[k] = w.Raw(f, r, i)
		}
		lo, hi := w.bound(slices.Min(raws)), slices.Max(raws)
		for k, raw := range raws {
			n := normalize(raw, lo, hi)
			ranked[k].Weight += float64(w.Multiplier * n) // the conversion forbids fusing: equal on every machine
			ranked[k].Parts = append(ranked[k].Parts, WeightPart{w.Name, raw, n, w.Multiplier})
		}
	}
	return ranked
}
