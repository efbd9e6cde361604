package placement

// disk passes hosts with wanted <= total and total*ratio - used >= wanted, in MiB, of the pool that the
// instance's disks are to be in. wanted is root + ephemeral + swap; what total and used are, state.Room says. A
// shared pool's space is that of all its hosts together.
func disk() Filter {
	return capacity("disk", "MiB", func(f *Fleet, r *Request, i int) amount {
		p := f.Hosts[i].Pool(r.Pool)
		return amount{
			wanted: r.Size.TotalDiskMiB(), total: p.Room.TotalMiB, used: *p.used, allowed: p.AllowedMiB,
			ratio: f.Hosts[i].Limits.Ratios.Disk, pool: p,
		}
	})
}
