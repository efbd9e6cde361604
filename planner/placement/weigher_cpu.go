package placement

// cpuWeigher prefers free vCPUs: total*ratio - used.
func cpuWeigher() Weigher {
	return Weigher{
		Name: "cpu", Multiplier: 1, FromZero: true, Applies: always,
		Raw: func(f *Fleet, _ *Request, i int) float64 {
			return f.Hosts[i].coreLimit() - float64(f.Hosts[i].used.VCPUs)
		},
	}
}
