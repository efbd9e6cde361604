package placement

import "fmt"

// numInstances passes hosts with fewer instances than max_instances_per_host.
func numInstances() Filter {
	return Filter{
		Name: "num_instances",
		Passes: func(f *Fleet, _ *Request, i int) bool {
			return f.Hosts[i].used.Instances < f.Hosts[i].Limits.MaxInstances
		},
		Why: func(f *Fleet, _ *Request, i int) string {
			return fmt.Sprintf("has %d instances, at most %d", f.Hosts[i].used.Instances, f.Hosts[i].Limits.MaxInstances)
		},
	}
}
