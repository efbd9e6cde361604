package planner

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/spec"
)

// TestTargetSpec says what of a spec is taken when only some of it is chosen.
func TestTargetSpec(t *testing.T) {
	// a is pinned to the new host n, which is in the new zone z; b asks for that zone; c can go anywhere.
	proposed := fleetSpec(2, inst("a", "small"), inst("b", "small"), inst("c", "small"))
	proposed.Zones = append(proposed.Zones, spec.Zone{Address: "zone.z", Name: "z"})
	n := proposed.Hosts[0]
	n.Address, n.Name, n.URI, n.Zone = "host.n", "n", "sim://n", "zone.z"
	proposed.Hosts = append(proposed.Hosts, n)
	proposed.Instances[0].Host = "host.n"
	proposed.Instances[1].Zone = "zone.z"
	proposed.Aggregates = []spec.Aggregate{{Address: "aggregate.g", Hosts: []spec.Address{"host.n", "host.h1"}}}

	recorded := edit(proposed, func(s *spec.Spec) {
		s.Zones = keep(s.Zones, func(z *spec.Zone) bool { return z.Address != "zone.z" })
		s.Hosts = keep(s.Hosts, func(h *spec.Host) bool { return h.Address != "host.n" })
		s.Instances, s.Aggregates = nil, nil
	})
	tests := map[string]struct {
		base            *spec.Spec
		target, exclude []spec.Address
		hosts, others   []spec.Address // others: zones and instances
	}{
		"a host at first":           {&spec.Spec{}, nil, []spec.Address{"host.n"}, []spec.Address{"host.h1", "host.h2"}, []spec.Address{"zone.z", "instance.b", "instance.c"}},
		"a host later":              {recorded, nil, []spec.Address{"host.n"}, []spec.Address{"host.h1", "host.h2"}, []spec.Address{"zone.z", "instance.b", "instance.c"}},
		"a zone":                    {recorded, nil, []spec.Address{"zone.z"}, []spec.Address{"host.h1", "host.h2"}, []spec.Address{"instance.c"}},
		"a flavor":                  {recorded, nil, []spec.Address{"flavor.small"}, []spec.Address{"host.h1", "host.h2", "host.n"}, []spec.Address{"zone.z", "instance.a", "instance.b", "instance.c"}},
		"a flavor at first":         {&spec.Spec{}, nil, []spec.Address{"flavor.small"}, []spec.Address{"host.h1", "host.h2", "host.n"}, []spec.Address{"zone.z"}},
		"only a host":               {recorded, []spec.Address{"host.n"}, nil, []spec.Address{"host.h1", "host.h2", "host.n"}, []spec.Address{"zone.z"}},
		"only who needs it":         {recorded, []spec.Address{"instance.a"}, nil, []spec.Address{"host.h1", "host.h2", "host.n"}, []spec.Address{"zone.z", "instance.a"}},
		"who needs it, without it":  {recorded, []spec.Address{"instance.a"}, []spec.Address{"host.n"}, []spec.Address{"host.h1", "host.h2"}, nil},
		"only who can go anywhere":  {&spec.Spec{}, []spec.Address{"instance.c"}, []spec.Address{"host.n"}, []spec.Address{"host.h1", "host.h2"}, []spec.Address{"instance.c"}},
		"what is there is kept":     {proposed, nil, []spec.Address{"host.n", "flavor.small", "zone.z"}, []spec.Address{"host.h1", "host.h2", "host.n"}, []spec.Address{"zone.z", "instance.a", "instance.b", "instance.c"}},
		"an aggregate":              {recorded, []spec.Address{"aggregate.g"}, nil, []spec.Address{"host.h1", "host.h2"}, nil},
		"an aggregate and its host": {recorded, []spec.Address{"aggregate.g", "host.n"}, nil, []spec.Address{"host.h1", "host.h2", "host.n"}, []spec.Address{"zone.z"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := TargetSpec(tc.base, proposed, tc.target, tc.exclude)
			var hosts, others []spec.Address
			for _, h := range got.Hosts {
				hosts = append(hosts, h.Address)
			}
			for _, z := range got.Zones {
				if z.Address == "zone.z" {
					others = append(others, z.Address)
				}
			}
			for _, i := range got.Instances {
				others = append(others, i.Address)
			}
			if diff := cmp.Diff([][]spec.Address{tc.hosts, tc.others}, [][]spec.Address{hosts, others}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, g := range got.Aggregates {
				for _, h := range g.Hosts {
					if !slices.Contains(hosts, h) {
						t.Errorf("%s names %s, which isn't there", g.Address, h)
					}
				}
			}
		})
	}
}
