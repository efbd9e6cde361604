package placement

// disk passes hosts with wanted <= physical total and total*ratio - used >= wanted, in MiB, where
// wanted is root + ephemeral + swap.
func disk() Filter {
	amounts := func(f *Fleet, r *Request, i int) amount {
		h := f.Hosts[i]
		return amount{r.Size.TotalDiskMiB(), h.DiskMiB, h.used.DiskMiB, h.diskLimit(), h.Ratios.Disk, "MiB"}
	}
	return Filter{
		Name: "disk",
		Passes: func(f *Fleet, r *Request, i int) bool {
			h, wanted := f.Hosts[i], r.Size.TotalDiskMiB()
			return wanted <= h.DiskMiB && h.diskLimit()-float64(h.used.DiskMiB) >= float64(wanted)
		},
		Why:  func(f *Fleet, r *Request, i int) string { return amounts(f, r, i).why() },
		Lack: func(f *Fleet, r *Request, i int) float64 { return amounts(f, r, i).lack() },
	}
}
