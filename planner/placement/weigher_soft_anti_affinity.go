package placement

import "github.com/novaplan/novaplan/spec"

// softAntiAffinityWeigher prefers hosts with few members of a soft-anti-affinity group.
func softAntiAffinityWeigher() Weigher {
	return Weigher{
		Name: "soft_anti_affinity", Multiplier: 1,
		Applies: func(r *Request) bool { return r.Group != nil && r.Group.Policy == spec.SoftAntiAffinity },
		Raw: func(f *Fleet, r *Request, i int) float64 {
			return -float64(f.Members(r.Group.Address, i))
		},
	}
}
