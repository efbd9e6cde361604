package placement

// disk passes hosts with wanted <= physical total and total*ratio - used >= wanted, in MiB, where
// wanted is root + ephemeral + swap.
func disk() Filter {
	return capacity("disk", "MiB", func(f *Fleet, r *Request, i int) amount {
		h := f.Hosts[i]
		return amount{
			wanted: r.Size.TotalDiskMiB(), total: h.Limits.DiskMiB,
			used: h.used.DiskMiB, allowed: h.Limits.AllowedDiskMiB(), ratio: h.Limits.Ratios.Disk,
		}
	})
}
