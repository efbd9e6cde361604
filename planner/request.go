package planner

import (
	"strconv"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
	"github.com/novaplan/novaplan/spec"
)

// requestKey is what requests of many instances have in common.
type requestKey struct {
	flavor, image, pool, zone, host, group spec.Address
}

// request says what an instance asks of a host.
func (c *computation) request(in *spec.Instance) *placement.Request {
	key := requestKey{in.Flavor, in.Image, in.Pool, in.Zone, in.Host, in.Group}
	proto := c.requests[key]
	if proto == nil {
		proto = &placement.Request{
			Flavor: c.index.Flavors[in.Flavor], Image: c.index.Images[in.Image], Size: c.size(in),
			Host: in.Host, Pool: c.pool(in), Group: c.index.Groups[in.Group],
		}
		if z := c.index.Zones[in.Zone]; z != nil {
			proto.Zone = z.Name
		}
		c.requests[key] = proto
	}
	r := *proto
	r.Instance, r.SameHost, r.DifferentHost = in.Address, in.SameHost, in.DifferentHost
	for _, n := range in.NICs {
		if network := c.index.Networks[n.Network]; network != nil {
			r.Networks = append(r.Networks, network)
		}
	}
	return &r
}

// moveRequest is the request of an instance that has a place: its size and pool are what was built.
func (c *computation) moveRequest(r *record) *placement.Request {
	q := c.request(r.want)
	q.Size, q.Pool = r.have.Size, r.have.Pool
	return q
}

// size is what an instance of the spec takes of a host. A root disk as large as the image counts with
// the image's min_disk, which is all that is known before it is fetched.
func (c *computation) size(in *spec.Instance) state.Size {
	f := c.index.Flavors[in.Flavor]
	if f == nil {
		return state.Size{}
	}
	s := state.Size{
		VCPUs: f.VCPUs, MemoryMiB: int64(f.RAM), DiskMiB: int64(f.Disk),
		EphemeralMiB: int64(f.Ephemeral), SwapMiB: int64(f.Swap),
	}
	if image := c.index.Images[in.Image]; s.DiskMiB == 0 && image != nil {
		s.DiskMiB = int64(image.MinDisk)
	}
	return s
}

// pool is where an instance's disks go: the named pool, the only one there is, or the zero Pool, which
// is the host's default directory.
func (c *computation) pool(in *spec.Instance) state.Pool {
	p := c.index.Pools[in.Pool]
	if p == nil && in.Pool == "" && len(c.spec.Pools) == 1 {
		p = &c.spec.Pools[0]
	}
	if p == nil {
		return state.Pool{}
	}
	return state.Pool{Path: p.Path, Shared: p.Shared}
}

func nicName(n spec.NIC, i int) string {
	if n.Name != "" {
		return n.Name
	}
	return "nic" + strconv.Itoa(i)
}
