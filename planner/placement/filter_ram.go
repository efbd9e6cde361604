package placement

// ram passes hosts with wanted <= physical total and total*ratio - used >= wanted, in MiB.
func ram() Filter {
	return capacity("ram", "MiB", func(f *Fleet, r *Request, i int) amount {
		h := f.Hosts[i]
		return amount{
			wanted: r.Size.MemoryMiB, total: h.Limits.MemoryMiB,
			used: h.used.MemoryMiB, allowed: h.Limits.AllowedMemoryMiB(), ratio: h.Limits.Ratios.RAM,
		}
	})
}
