package placement

// ramWeigher prefers free physical MiB, the ratio not applied; a negative multiplier stacks.
func ramWeigher() Weigher {
	return Weigher{
		Name: "ram", Multiplier: 1, FromZero: true, Applies: always,
		Raw: func(f *Fleet, _ *Request, i int) float64 {
			return float64(f.Hosts[i].Limits.MemoryMiB - f.Hosts[i].used.MemoryMiB)
		},
	}
}
