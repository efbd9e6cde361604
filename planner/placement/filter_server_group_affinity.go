package placement

import (
	"fmt"
	"strings"

	"github.com/novaplan/novaplan/spec"
)

// serverGroupAffinity passes the hosts that have members of the group, or any while there are none.
func serverGroupAffinity() Filter {
	return Filter{
		Name: "server_group_affinity",
		Passes: func(f *Fleet, r *Request, i int) bool {
			if r.Group == nil || r.Group.Policy != spec.Affinity {
				return true
			}
			return len(f.members[r.Group.Address]) == 0 || f.Members(r.Group.Address, i) > 0
		},
		Why: func(f *Fleet, r *Request, _ int) string {
			var names []string
			for _, i := range f.MemberHosts(r.Group.Address) {
				names = append(names, f.Hosts[i].Name)
			}
			return fmt.Sprintf("group %s is on %s", r.Group.Name, strings.Join(names, ", "))
		},
	}
}
