package placement

import (
	"fmt"
	"strings"

	"github.com/novaplan/novaplan/spec"
)

// serverGroupAffinity passes the host that has the members of the group, or any while there are none. While
// they are on several, nobody can join them: wherever it went, it would be apart from some.
func serverGroupAffinity() Filter {
	return Filter{
		Name: "server_group_affinity", Company: true,
		Passes: func(f *Fleet, r *Request, i int) bool {
			if r.Group == nil || r.Group.Policy != spec.Affinity {
				return true
			}
			on := f.members[r.Group.Address]
			return len(on) == 0 || len(on) == 1 && on[i] > 0
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
