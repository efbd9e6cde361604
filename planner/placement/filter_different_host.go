package placement

import "fmt"

// differentHost passes hosts that have no instance named by different_host.
func differentHost() Filter {
	return Filter{
		Name: "different_host",
		Passes: func(f *Fleet, r *Request, i int) bool {
			for _, a := range r.DifferentHost {
				if f.On(a, i) {
					return false
				}
			}
			return true
		},
		Why: func(f *Fleet, r *Request, i int) string {
			for _, a := range r.DifferentHost {
				if f.On(a, i) {
					return fmt.Sprintf("wants not to be with %s, which is here", a)
				}
			}
			return ""
		},
	}
}
