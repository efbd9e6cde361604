package placement

// ram passes hosts with wanted <= physical total and total*ratio - used >= wanted, in MiB.
func ram() Filter {
	amounts := func(f *Fleet, r *Request, i int) amount {
		h := f.Hosts[i]
		return amount{r.Size.MemoryMiB, h.MemoryMiB, h.used.MemoryMiB, h.ramLimit(), h.Ratios.RAM, "MiB"}
	}
	return Filter{
		Name: "ram",
		Passes: func(f *Fleet, r *Request, i int) bool {
			h := f.Hosts[i]
			return r.Size.MemoryMiB <= h.MemoryMiB && h.ramLimit()-float64(h.used.MemoryMiB) >= float64(r.Size.MemoryMiB)
		},
		Why:  func(f *Fleet, r *Request, i int) string { return amounts(f, r, i).why() },
		Lack: func(f *Fleet, r *Request, i int) float64 { return amounts(f, r, i).lack() },
	}
}
