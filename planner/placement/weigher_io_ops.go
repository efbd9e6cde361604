package placement

// ioOpsWeigher avoids hosts with builds and migrations in flight.
func ioOpsWeigher() Weigher {
	return Weigher{
		Name: "io_ops", Multiplier: -1, FromZero: true, Applies: always,
		Raw: func(f *Fleet, _ *Request, i int) float64 { return float64(f.Hosts[i].used.IOOps) },
	}
}
