package placement

import (
	"fmt"

	"github.com/novaplan/novaplan/spec"
)

// serverGroupAntiAffinity passes hosts with fewer members of the group than max_server_per_host.
func serverGroupAntiAffinity() Filter {
	return Filter{
		Name: "server_group_anti_affinity",
		Passes: func(f *Fleet, r *Request, i int) bool {
			if r.Group == nil || r.Group.Policy != spec.AntiAffinity {
				return true
			}
			return f.Members(r.Group.Address, i) < maxServers(r.Group)
		},
		Why: func(f *Fleet, r *Request, i int) string {
			return fmt.Sprintf("has %d of group %s, at most %d", f.Members(r.Group.Address, i), r.Group.Name, maxServers(r.Group))
		},
	}
}

// maxServers is how many members of an anti-affinity group one host may have.
func maxServers(g *spec.ServerGroup) int { return max(1, g.MaxServerPerHost) }
