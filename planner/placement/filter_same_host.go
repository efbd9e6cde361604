package placement

import "fmt"

// sameHost passes hosts that have every instance named by same_host. One that is nowhere yet, or
// several that are on different hosts, leave no host, as in Nova.
func sameHost() Filter {
	return Filter{
		Name: "same_host", Company: true,
		Passes: func(f *Fleet, r *Request, i int) bool {
			for _, a := range r.SameHost {
				if !f.On(a, i) {
					return false
				}
			}
			return true
		},
		Why: func(f *Fleet, r *Request, i int) string {
			for _, a := range r.SameHost {
				if f.On(a, i) {
					continue
				}
				if at := f.Places(a); len(at) > 0 {
					return fmt.Sprintf("wants to be with %s, which is on %s", a, f.Hosts[at[0]].Name)
				}
				return fmt.Sprintf("wants to be with %s, which is nowhere", a)
			}
			return ""
		},
	}
}
