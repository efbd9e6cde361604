package placement

import (
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// Request is what an instance asks of a host.
type Request struct {
	Instance spec.Address
	Size     state.Size
	Flavor   *spec.Flavor
	Image    *spec.Image
	Zone     string       // name, "" for any
	Host     spec.Address // pinned there, "" for anywhere
	Pool     state.Pool   // Path "" for the host's default
	Networks []*spec.Network
	Group    *spec.ServerGroup // nil for none

	SameHost      []spec.Address // instances
	DifferentHost []spec.Address
	Tried         []spec.Address // hosts that failed for this placement
}

// Occupant returns what the request takes once placed.
func (r *Request) Occupant() Occupant {
	o := Occupant{Instance: r.Instance, Size: r.Size, Pool: r.Pool}
	if r.Group != nil {
		o.Group = r.Group.Address
	}
	return o
}

// facts is the part of a request that no placement changes the meaning of: requests with equal facts
// have the same static candidates.
type facts struct {
	size     state.Size
	flavor   *spec.Flavor
	image    *spec.Image
	zone     string
	host     spec.Address
	pool     state.Pool
	networks string
	tried    string
}

func (r *Request) facts() facts {
	f := facts{size: r.Size, flavor: r.Flavor, image: r.Image, zone: r.Zone, host: r.Host, pool: r.Pool}
	switch len(r.Networks) {
	case 0:
	case 1:
		f.networks = string(r.Networks[0].Address)
	default:
		var b strings.Builder
		for _, n := range r.Networks {
			b.WriteString(string(n.Address))
			b.WriteByte(0)
		}
		f.networks = b.String()
	}
	for _, h := range r.Tried {
		f.tried += string(h) + "\x00"
	}
	return f
}

// splitList splits a comma-separated list.
func splitList(s string) []string {
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
