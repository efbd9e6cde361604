package placement

// diskWeigher prefers free MiB of disk.
func diskWeigher() Weigher {
	return Weigher{
		Name: "disk", Multiplier: 1, FromZero: true, Applies: always,
		Raw: func(f *Fleet, _ *Request, i int) float64 {
			return float64(f.Hosts[i].Limits.DiskMiB - f.Hosts[i].used.DiskMiB)
		},
	}
}
