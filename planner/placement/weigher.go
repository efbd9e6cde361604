package placement

// Weigher ranks the hosts that passed all filters.
type Weigher struct {
	Name       string
	Multiplier float64 // the default
	// FromZero: the bounds include 0 below, so that norm = raw/max while nothing is negative.
	FromZero bool
	// Grouped: the weigher only has something to say about instances in a group of the right policy.
	Applies func(r *Request) bool
	Raw     func(f *Fleet, r *Request, i int) float64
}

func always(*Request) bool { return true }

// normalize is Nova's: (w-min)/(max-min), 0 when min = max.
func normalize(w, lo, hi float64) float64 {
	if lo == hi {
		return 0
	}
	return (w - lo) / (hi - lo)
}

// bound lowers lo to 0 where the weigher counts from there.
func (w *Weigher) bound(lo float64) float64 {
	if w.FromZero {
		return min(0, lo)
	}
	return lo
}

// WeigherNames lists the weighers that a scheduler block may give a multiplier.
func WeigherNames() []string {
	var names []string
	for _, w := range allWeighers() {
		names = append(names, w.Name)
	}
	return names
}

func allWeighers() []Weigher {
	return []Weigher{
		ramWeigher(), cpuWeigher(), diskWeigher(), ioOpsWeigher(),
		softAffinityWeigher(), softAntiAffinityWeigher(), buildFailureWeigher(),
	}
}
