package placement

// core passes hosts with wanted <= physical cores and total*ratio - used >= wanted. A total of 0 is
// not known, and passes.
func core() Filter {
	amounts := func(f *Fleet, r *Request, i int) amount {
		h := f.Hosts[i]
		return amount{int64(r.Size.VCPUs), int64(h.VCPUs), int64(h.used.VCPUs), h.coreLimit(), h.Ratios.CPU, "vCPUs"}
	}
	return Filter{
		Name: "core",
		Passes: func(f *Fleet, r *Request, i int) bool {
			h := f.Hosts[i]
			return h.VCPUs == 0 || r.Size.VCPUs <= h.VCPUs && h.coreLimit()-float64(h.used.VCPUs) >= float64(r.Size.VCPUs)
		},
		Why:  func(f *Fleet, r *Request, i int) string { return amounts(f, r, i).why() },
		Lack: func(f *Fleet, r *Request, i int) float64 { return amounts(f, r, i).lack() },
	}
}
