package planner

import (
	"fmt"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
	"github.com/novaplan/novaplan/spec"
)

// place finds a host for everything that is to be made.
func (c *computation) place() {
	if len(c.creates) == 0 {
		return
	}
	if len(c.spec.Hosts) == 0 {
		c.fail(Message{Code: CodeEmptyFleet, Summary: fmt.Sprintf("there is no host for %s", counted(len(c.creates), "instance", "instances")),
			Detail: []string{"Add a host block, for example: host \"kvm1\" { uri = \"qemu+ssh://root@kvm1/system\" }"}})
	}
	for _, in := range byHints(c.creates) {
		c.placeOne(in)
	}
}

// byHints puts instances after those that their same_host and different_host name, in spec order
// otherwise: a hint can only be kept about what has a place.
func byHints(creates []*spec.Instance) []*spec.Instance {
	pending := map[spec.Address]*spec.Instance{}
	for _, in := range creates {
		if len(in.SameHost) > 0 || len(in.DifferentHost) > 0 {
			for _, other := range creates {
				pending[other.Address] = other
			}
			break
		}
	}
	if len(pending) == 0 {
		return creates
	}
	ordered := make([]*spec.Instance, 0, len(creates))
	var visit func(in *spec.Instance)
	visit = func(in *spec.Instance) {
		if pending[in.Address] == nil {
			return
		}
		delete(pending, in.Address)
		for _, hint := range [][]spec.Address{in.SameHost, in.DifferentHost} {
			for _, a := range hint {
				if other := pending[a]; other != nil {
					visit(other)
				}
			}
		}
		ordered = append(ordered, in)
	}
	for _, in := range creates {
		visit(in)
	}
	return ordered
}

func (c *computation) placeOne(in *spec.Instance) {
	q := c.request(in)
	q.Tried = c.failed(in.Address, state.Create).tried
	at := c.choose(q)
	if at < 0 {
		c.unplaced(in.Address, in.Source, CodeNoValidHost, q)
		return
	}
	h := c.hosts[at]
	build, after, ok := c.build(in, q, h)
	if !ok {
		return
	}
	var explained *placement.Placement
	if c.explains(in.Address) {
		explained = c.policy.Rank(c.fleet, q, true)
	}
	c.fleet.Put(at, q.Occupant())
	c.create(in, build, h, after, explained)
}

// create adds the operations of a new instance: the create, and a pause or suspend when it is wanted so.
func (c *computation) create(in *spec.Instance, b *state.Instance, h *host, after []*job, explained *placement.Placement) {
	reason := state.Reason{Code: ReasonNew, Message: "new in the spec" + at(in.Source)}
	o := placement.Occupant{Instance: in.Address, Group: in.Group, Size: b.Size, Pool: b.Pool}
	if h.claim != nil {
		after = append(after, h.claim)
	}
	change := &Change{Address: in.Address, Name: in.Address.Short(), Action: ActCreate, To: h.address(), Reason: reason,
		Details: c.details(in, b), Placement: explained}
	if f := c.failed(in.Address, state.Create); f.why != "" {
		change.Details = append(change.Details, fmt.Sprintf("tried before on %s: %s", c.hostName(f.last), f.why))
	}
	j := c.add(&job{
		op:   state.Operation{Action: state.Create, Instance: in.Address, To: h.address(), Reason: reason, Build: b, Size: b.Size},
		from: -1, to: h.ordinal, occupant: o, after: after,
	}, change)
	var then state.Action
	switch in.State {
	case spec.Paused:
		then = state.Pause
	case spec.Suspended:
		then = state.Suspend
	default:
		return
	}
	c.add(&job{
		op:   state.Operation{Action: then, Instance: in.Address, Reason: wanted(in.State), Block: interruptionBlock(in, c.index)},
		from: -1, to: -1, occupant: o, after: []*job{j}, change: change,
	}, nil)
}

func (c *computation) details(in *spec.Instance, b *state.Instance) []string {
	d := []string{"flavor " + c.index.Flavors[in.Flavor].Name}
	for _, n := range b.NICs {
		if n.IP != "" {
			d = append(d, "address "+n.IP)
		}
	}
	if in.State != spec.Running && in.State != "" {
		d = append(d, "state "+string(in.State))
	}
	return d
}

// choose picks the best host. When every host that is left was tried before and failed, it begins again:
// what went wrong may be over by now.
func (c *computation) choose(q *placement.Request) int {
	at := c.pick.Pick(q)
	if at < 0 && len(q.Tried) > 0 {
		q.Tried = nil
		at = c.pick.Pick(q)
	}
	return at
}

// unplaced records that an instance fits nowhere, and why.
func (c *computation) unplaced(a spec.Address, source spec.Source, code string, q *placement.Request) *placement.Placement {
	p := c.policy.Rank(c.fleet, q, c.explains(a))
	reason := state.Reason{Code: code, Message: sentence(p)}
	c.plan.Unplaced = append(c.plan.Unplaced, Unplaced{Address: a, Reason: reason, Placement: p, Source: source})
	return p
}

// sentence sums up why no host is left: "11 hosts: 9 availability_zone, 1 ram, 1 core".
func sentence(p *placement.Placement) string {
	if len(p.Rejections) == 0 {
		return "there is no host"
	}
	var parts []string
	for _, r := range p.Rejections {
		parts = append(parts, fmt.Sprintf("%d %s", r.Hosts, r.Filter))
	}
	return fmt.Sprintf("%s: %s", counted(p.Candidates, "host", "hosts"), strings.Join(parts, ", "))
}
