package placement

import "fmt"

// availabilityZone passes hosts of the wanted zone. A host in no zone is in DefaultZone.
func availabilityZone() Filter {
	return Filter{
		Name: "availability_zone", Static: true,
		Passes: func(f *Fleet, r *Request, i int) bool { return r.Zone == "" || f.Hosts[i].Zone == r.Zone },
		Why: func(f *Fleet, r *Request, i int) string {
			return fmt.Sprintf("wants zone %s, host is in %s", r.Zone, f.Hosts[i].Zone)
		},
	}
}
