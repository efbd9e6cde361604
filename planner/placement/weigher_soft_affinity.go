package placement

import "github.com/novaplan/novaplan/spec"

// softAffinityWeigher prefers hosts with many members of a soft-affinity group.
func softAffinityWeigher() Weigher {
	return Weigher{
		Name: "soft_affinity", Multiplier: 1,
		Applies: func(r *Request) bool { return r.Group != nil && r.Group.Policy == spec.SoftAffinity },
		Raw: func(f *Fleet, r *Request, i int) float64 {
			return float64(f.Members(r.Group.Address, i))
		},
	}
}
