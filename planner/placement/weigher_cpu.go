package placement

// cpuWeigher prefers free vCPUs: total*ratio - used.
func cpuWeigher() Weigher {
	return Weigher{
		Name: "cpu", Multiplier: 1, FromZero: true, Applies: always,
		Raw: func(f *Fleet, _ *Request, i int) float64 {
			h := f.Hosts[i]
			allowed := float64(float64(h.Limits.VCPUs) * h.Limits.Ratios.CPU) // not fused with what follows
			return allowed - float64(h.used.VCPUs)
		},
	}
}
