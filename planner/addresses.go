package planner

import (
	"errors"
	"fmt"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// addresses assigns the addresses of one network.
type addresses struct {
	pool    *state.AddressPool      // nil: nothing is assigned there
	holders map[string]spec.Address // address -> instance that has it, or is to have it
	err     error
}

// network returns the addresses of a network with what is taken of them: by the record, by what is
// being built, and by every fixed_ip of the spec, whether its instance has a place yet or not.
func (c *computation) network(n *spec.Network) *addresses {
	if a := c.networks[n.Address]; a != nil {
		return a
	}
	if len(c.networks) == 0 {
		c.loadNetworks()
	}
	return c.networks[n.Address]
}

func (c *computation) loadNetworks() {
	for i := range c.spec.Networks {
		n := &c.spec.Networks[i]
		a := &addresses{holders: map[string]spec.Address{}}
		a.pool, a.err = state.NewAddressPool(n)
		c.networks[n.Address] = a
	}
	for _, in := range c.st.Instances.All() {
		c.hold(in)
	}
	for _, jobs := range c.jobs {
		if jobs.op.Build != nil {
			c.hold(jobs.op.Build)
		}
	}
	for i := range c.spec.Instances {
		in := &c.spec.Instances[i]
		for _, n := range in.NICs {
			if n.FixedIP != "" {
				c.networks[n.Network].take(n.FixedIP, in.Address)
			}
		}
	}
}

func (c *computation) hold(in *state.Instance) {
	for _, n := range in.NICs {
		if n.IP != "" {
			c.networks[n.Network].take(n.IP, in.Address)
		}
	}
}

// take notes who has ip; the first one keeps it.
func (a *addresses) take(ip string, holder spec.Address) {
	if a == nil || a.pool == nil {
		return
	}
	if free, err := a.pool.Take(ip); err == nil && free {
		a.holders[ip] = holder
	}
}

// assign gives every NIC of a new instance its MAC and address. It returns the operation that must be
// done before, when an address is still in the hands of an instance that goes, and false when it
// can't be done, which it has said.
func (c *computation) assign(in *spec.Instance) (nics []state.NIC, after []*job, ok bool) {
	for i, n := range in.NICs {
		nic := state.NIC{Name: nicName(n, i), Network: n.Network, MAC: n.MAC, Model: n.Model}
		if nic.MAC == "" {
			nic.MAC = state.MAC(c.cluster(), in.Address, nic.Name)
		}
		network := c.index.Networks[n.Network]
		if network == nil {
			nics = append(nics, nic)
			continue
		}
		ip, wait, err := c.address(in, n, network)
		if err != nil {
			c.unassigned(in, network, err)
			return nil, nil, false
		}
		if wait != nil {
			after = append(after, wait)
		}
		nic.IP = ip
		nics = append(nics, nic)
	}
	return nics, after, true
}

var errTaken = errors.New("address taken")

func (c *computation) address(in *spec.Instance, n spec.NIC, network *spec.Network) (string, *job, error) {
	a := c.network(network)
	switch {
	case a.err != nil:
		return "", nil, a.err
	case n.FixedIP != "":
		holder := a.holders[n.FixedIP]
		if a.pool == nil || holder == in.Address {
			return n.FixedIP, nil, nil
		}
		if leaving := c.gone[holder]; leaving != nil {
			a.holders[n.FixedIP] = in.Address
			return n.FixedIP, leaving, nil
		}
		if holder == "" {
			return "", nil, fmt.Errorf("%w: fixed_ip %s is the gateway's, or not in %s", errTaken, n.FixedIP, network.CIDR)
		}
		return "", nil, fmt.Errorf("%w: fixed_ip %s belongs to %s", errTaken, n.FixedIP, holder)
	case a.pool == nil:
		return "", nil, nil
	}
	ip, err := a.pool.Next()
	if err == nil {
		a.holders[ip] = in.Address
	}
	return ip, nil, err
}

func (c *computation) unassigned(in *spec.Instance, network *spec.Network, err error) {
	m := Message{Code: CodeAddressTaken, Address: in.Address, Source: in.Source,
		Summary: fmt.Sprintf("%s gets no address on %s: %v", in.Address, network.Name, err)}
	if errors.Is(err, state.ErrNoAddress) {
		m.Code = CodeNoAddress
		m.Detail = []string{fmt.Sprintf("%d addresses of %s are in use. Make its allocation_pool larger, or remove instances.",
			len(c.networks[network.Address].holders), network.Address)}
	}
	c.fail(m)
}

// nobody is the name space of identities while there is no record: a first plan before init.
const nobody = "00000000-0000-0000-0000-000000000000"

func (c *computation) cluster() string {
	if c.st.ClusterID == "" {
		return nobody
	}
	return c.st.ClusterID
}
