package placement

// buildFailureWeigher avoids hosts on which builds failed since the last one that worked.
func buildFailureWeigher() Weigher {
	return Weigher{
		Name: "build_failure", Multiplier: -1e6, Applies: always,
		Raw: func(f *Fleet, _ *Request, i int) float64 { return float64(f.Hosts[i].FailedBuilds) },
	}
}
