package placement

// core passes hosts with wanted <= physical cores and total*ratio - used >= wanted. A total of 0 is
// not known, and passes.
func core() Filter {
	x := capacity("core", "vCPUs", func(f *Fleet, r *Request, i int) amount {
		h := f.Hosts[i]
		return amount{
			wanted: int64(r.Size.VCPUs), total: int64(h.Limits.VCPUs),
			used: int64(h.used.VCPUs), allowed: h.Limits.AllowedVCPUs(), ratio: h.Limits.Ratios.CPU,
		}
	})
	enough := x.Passes
	x.Passes = func(f *Fleet, r *Request, i int) bool { return f.Hosts[i].Limits.VCPUs == 0 || enough(f, r, i) }
	return x
}
