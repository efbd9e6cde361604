package placement

// Filter removes hosts that can't take a request.
type Filter struct {
	Name string
	// Static: the answer depends on the request's facts and on what the host is, never on what was
	// placed where.
	Static bool
	// Passes reports whether host i of f can take r.
	Passes func(f *Fleet, r *Request, i int) bool
	// Why says in a few words with figures why it can't, without the filter's name. Only called when
	// Passes is false.
	Why func(f *Fleet, r *Request, i int) string
	// Lack is how much is missing, as a share of what is wanted; nil when that has no measure.
	Lack func(f *Fleet, r *Request, i int) float64
	// Company: a host passes because of who else is on it. Of those that don't none is near, however
	// much room they have, when one that does only lacks room.
	Company bool
}

func (x *Filter) message(f *Fleet, r *Request, i int) string { return x.Name + ": " + x.Why(f, r, i) }

// FilterNames lists the filters that a scheduler block may name, in the default order.
func FilterNames() []string {
	var names []string
	for _, f := range allFilters() {
		names = append(names, f.Name)
	}
	return names
}

// allFilters is novaplan's own preset: what a host is comes first, then what is left of it, then who
// else is there, so that the nearest miss is a host that only lacks room.
func allFilters() []Filter {
	return []Filter{
		retry(), pinned(), availabilityZone(), compute(), pool(), network(),
		computeCapabilities(), imageProperties(), aggregateInstanceExtraSpecs(),
		ram(), disk(), core(), ioOps(), numInstances(),
		serverGroupAffinity(), serverGroupAntiAffinity(), sameHost(), differentHost(),
	}
}

// novaFilters is the classic set, followed by what an instance's own block asks for.
func novaFilters() []Filter {
	return []Filter{
		retry(), availabilityZone(), ram(), disk(), core(), compute(), computeCapabilities(), imageProperties(),
		pinned(), pool(), network(),
		serverGroupAffinity(), serverGroupAntiAffinity(), sameHost(), differentHost(),
	}
}

// mandatory reports whether a filter is in force even when a list leaves it out.
func mandatory(name string) bool {
	switch name {
	case "retry", "host", "compute", "pool", "network", "ram", "disk", "core",
		"server_group_affinity", "server_group_anti_affinity", "same_host", "different_host":
		return true
	}
	return false
}

// chosenFilters returns the named filters in the order given, then the mandatory ones left out.
func chosenFilters(names []string) []Filter {
	all := allFilters()
	var chosen []Filter
	seen := map[string]bool{}
	for _, n := range names {
		for _, f := range all {
			if f.Name == n && !seen[n] {
				seen[n] = true
				chosen = append(chosen, f)
			}
		}
	}
	for _, f := range all {
		if mandatory(f.Name) && !seen[f.Name] {
			chosen = append(chosen, f)
		}
	}
	return chosen
}
