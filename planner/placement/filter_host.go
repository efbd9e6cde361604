package placement

// pinned passes the host that the instance is pinned to; without a pin, every host.
func pinned() Filter {
	return Filter{
		Name: "host", Static: true,
		Passes: func(f *Fleet, r *Request, i int) bool { return r.Host == "" || f.Hosts[i].Address == r.Host },
		Why:    func(_ *Fleet, r *Request, _ int) string { return "pinned to " + string(r.Host) },
	}
}
