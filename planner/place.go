package planner

import (
	"fmt"
	"slices"
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
	q.Tried = c.failed(in.Address).tried
	at := c.pick.Pick(q)
	if at < 0 && len(q.Tried) > 0 {
		// Every host that is left was tried and failed: what went wrong may be over by now.
		q.Tried = nil
		at = c.pick.Pick(q)
	}
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

// failure is what became of the last tries to create an instance.
type failure struct {
	tried []spec.Address
	last  spec.Address
	why   string
}

// failed returns how the creates of an instance failed since the last one that worked.
func (c *computation) failed(a spec.Address) failure {
	if c.failures == nil {
		c.failures = map[spec.Address]failure{}
		var creates []*state.Operation
		for _, op := range c.st.Operations.All() {
			if op.Action == state.Create && op.Phase.Final() {
				creates = append(creates, op)
			}
		}
		slices.SortFunc(creates, func(a, b *state.Operation) int { return state.CompareIDs(a.ID, b.ID) })
		for _, op := range creates {
			c.remember(op)
		}
	}
	return c.failures[a]
}

func (c *computation) remember(op *state.Operation) {
	switch op.Phase {
	case state.Done:
		delete(c.failures, op.Instance)
	case state.Failed:
		f := c.failures[op.Instance]
		f.tried = append(append(f.tried, op.Tried...), op.To)
		f.last, f.why = op.To, op.Error
		c.failures[op.Instance] = f
	}
}

// build makes the record of a new instance on h.
func (c *computation) build(in *spec.Instance, q *placement.Request, h *host) (*state.Instance, []*job, bool) {
	nics, after, ok := c.assign(in)
	if !ok {
		return nil, nil, false
	}
	life, _ := c.st.Lives.Get(string(in.Address))
	b := &state.Instance{
		Address: in.Address, Stack: c.spec.Stack, Incarnation: life + 1, Generation: 1, Phase: state.Building,
		Name: in.Name, Host: h.address(), Size: q.Size, Flavor: in.Flavor, Image: in.Image, Pool: q.Pool, NICs: nics,
		VirtType: virtType(h), Arch: h.inventory().Arch, Machine: h.inventory().Machine,
		UserData: in.UserData.HMAC, Stopped: in.State == spec.Stopped,
		TrashRetention: in.TrashRetention, ShutdownTimeout: in.ShutdownTimeout,
	}
	if b.TrashRetention == 0 {
		b.TrashRetention = spec.DefaultTrashRetention
	}
	if b.ShutdownTimeout == 0 {
		b.ShutdownTimeout = spec.DefaultShutdownTimeout
	}
	if strings.HasPrefix(q.Image.Checksum, "sha256:") {
		b.ImageDigest = q.Image.Checksum
	}
	b.UUID = state.InstanceUUID(c.cluster(), in.Address, b.Incarnation)
	b.Domain = state.DomainName(b.UUID, in.Name)
	if !c.nameFree(in, b, h) {
		return nil, nil, false
	}
	return b, after, true
}

func virtType(h *host) string {
	if h.spec.VirtType != "" {
		return h.spec.VirtType
	}
	if types := h.inventory().VirtTypes; len(types) > 0 {
		return types[0]
	}
	return ""
}

// nameFree reports whether the chosen host has no domain, ours or foreign, of the name.
func (c *computation) nameFree(in *spec.Instance, b *state.Instance, h *host) bool {
	if c.names == nil {
		c.names = map[*host]map[string]string{}
	}
	names, ok := c.names[h]
	if !ok {
		names = make(map[string]string, len(h.seen.Domains))
		for i := range h.seen.Domains {
			names[h.seen.Domains[i].Name] = h.seen.Domains[i].UUID
		}
		c.names[h] = names
	}
	uuid, taken := names[b.Domain]
	if !taken {
		return true
	}
	c.fail(Message{Code: CodeNameTaken, Address: in.Address, Source: in.Source,
		Summary: fmt.Sprintf("%s can't be created: %s has a domain named %s that isn't ours (UUID %s)", in.Address, h.name(), b.Domain, uuid),
		Detail:  []string{"It is not touched. Rename or undefine it there, then plan again."}})
	return false
}

// create adds the operations of a new instance: the create, and a pause or suspend when it is wanted so.
func (c *computation) create(in *spec.Instance, b *state.Instance, h *host, after []*job, explained *placement.Placement) {
	reason := state.Reason{Code: ReasonNew, Message: "new in the spec" + at(in.Source)}
	o := placement.Occupant{Instance: in.Address, Group: in.Group, Size: b.Size}
	if h.claim != nil {
		after = append(after, h.claim)
	}
	change := &Change{Address: in.Address, Name: in.Address.Short(), Action: ActCreate, To: h.address(), Reason: reason,
		Details: details(in, b), Placement: explained}
	if f := c.failed(in.Address); f.why != "" {
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

func details(in *spec.Instance, b *state.Instance) []string {
	d := []string{"flavor " + in.Flavor.Label()}
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
