package placement

import "slices"

// retry passes hosts that were not already tried, and failed, for this placement.
func retry() Filter {
	return Filter{
		Name: "retry", Static: true,
		Passes: func(f *Fleet, r *Request, i int) bool { return !slices.Contains(r.Tried, f.Hosts[i].Address) },
		Why:    func(*Fleet, *Request, int) string { return "was tried for this placement and failed" },
	}
}
