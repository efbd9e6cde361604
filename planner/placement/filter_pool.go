package placement

import (
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
)

// pool passes hosts that have the instance's storage pool.
func pool() Filter {
	return Filter{
		Name: "pool", Static: true,
		Passes: func(f *Fleet, r *Request, i int) bool {
			return r.Pool.Path == "" || f.Hosts[i].has(r.Pool)
		},
		Why: func(_ *Fleet, r *Request, _ int) string {
			if r.Pool.Shared {
				return fmt.Sprintf("shared pool %s is not mounted", r.Pool.Path)
			}
			return fmt.Sprintf("pool %s is missing", r.Pool.Path)
		},
	}
}

func (h *Host) has(p state.Pool) bool {
	return slices.ContainsFunc(h.Pools, func(own Pool) bool { return own.Path == p.Dir() })
}
