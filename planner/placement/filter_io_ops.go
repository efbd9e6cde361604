package placement

import "fmt"

// ioOps passes hosts with fewer builds and migrations in flight than max_io_ops_per_host.
func ioOps() Filter {
	return Filter{
		Name:   "io_ops",
		Passes: func(f *Fleet, _ *Request, i int) bool { return f.Hosts[i].used.IOOps < f.Hosts[i].Limits.MaxIOOps },
		Why: func(f *Fleet, _ *Request, i int) string {
			return fmt.Sprintf("%d builds and migrations in flight, at most %d", f.Hosts[i].used.IOOps, f.Hosts[i].Limits.MaxIOOps)
		},
	}
}
