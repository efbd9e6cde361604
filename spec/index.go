package spec

// Index finds the blocks of a Spec by address. It holds pointers into the Spec it was made from.
type Index struct {
	Zones     map[Address]*Zone
	Hosts     map[Address]*Host
	Pools     map[Address]*Pool
	Flavors   map[Address]*Flavor
	Images    map[Address]*Image
	Networks  map[Address]*Network
	Groups    map[Address]*ServerGroup
	Keypairs  map[Address]*Keypair
	Instances map[Address]*Instance
}

// NewIndex indexes s, which must not change afterwards.
func NewIndex(s *Spec) *Index {
	return &Index{
		Zones:     byAddress(s.Zones, func(b *Zone) Address { return b.Address }),
		Hosts:     byAddress(s.Hosts, func(b *Host) Address { return b.Address }),
		Pools:     byAddress(s.Pools, func(b *Pool) Address { return b.Address }),
		Flavors:   byAddress(s.Flavors, func(b *Flavor) Address { return b.Address }),
		Images:    byAddress(s.Images, func(b *Image) Address { return b.Address }),
		Networks:  byAddress(s.Networks, func(b *Network) Address { return b.Address }),
		Groups:    byAddress(s.Groups, func(b *ServerGroup) Address { return b.Address }),
		Keypairs:  byAddress(s.Keypairs, func(b *Keypair) Address { return b.Address }),
		Instances: byAddress(s.Instances, func(b *Instance) Address { return b.Address }),
	}
}

func byAddress[T any](blocks []T, address func(*T) Address) map[Address]*T {
	m := make(map[Address]*T, len(blocks))
	for i := range blocks {
		m[address(&blocks[i])] = &blocks[i]
	}
	return m
}
