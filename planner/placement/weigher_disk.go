package placement

// diskWeigher prefers free MiB in the pool of the instance's disks. Of a shared pool every host has as much, so
// there it has nothing to say.
func diskWeigher() Weigher {
	return Weigher{
		Name: "disk", Multiplier: 1, FromZero: true,
		Applies: func(r *Request) bool { return !r.Pool.Shared },
		Raw:     func(f *Fleet, r *Request, i int) float64 { return float64(f.Hosts[i].Pool(r.Pool).free()) },
	}
}
