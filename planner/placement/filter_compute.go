package placement

// compute passes hosts that take instances: not cordoned, draining or fenced, answering, ours.
func compute() Filter {
	return Filter{
		Name: "compute", Static: true,
		Passes: func(f *Fleet, _ *Request, i int) bool { return f.Hosts[i].Refusal == "" },
		Why:    func(f *Fleet, _ *Request, i int) string { return f.Hosts[i].Refusal },
	}
}
