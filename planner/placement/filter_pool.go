package placement

import (
	"fmt"
	"slices"
)

// pool passes hosts that have the instance's storage pool.
func pool() Filter {
	return Filter{
		Name: "pool", Static: true,
		Passes: func(f *Fleet, r *Request, i int) bool {
			return r.Pool.Path == "" || slices.Contains(f.Hosts[i].Pools, r.Pool.Path)
		},
		Why: func(_ *Fleet, r *Request, _ int) string {
			if r.Pool.Shared {
				return fmt.Sprintf("shared pool %s is not mounted", r.Pool.Path)
			}
			return fmt.Sprintf("pool %s is missing", r.Pool.Path)
		},
	}
}
