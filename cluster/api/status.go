package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

func (h *Handler) lookRoutes() {
	register(h, viewers(), huma.Operation{
		OperationID: "status", Method: http.MethodPost, Path: "/v1/status", Tags: []string{"look"},
		Summary:      "What is there, beside what a spec wants; hosts are looked at",
		MaxBodyBytes: maxSpecBody, SkipValidateBody: true,
	}, func(ctx context.Context, req *in[wire.StatusRequest]) (*out[*wire.Status], error) {
		desired, err := decode(req.Body.Spec)
		if err != nil {
			return nil, err
		}
		s, err := h.status(ctx, desired)
		return &out[*wire.Status]{Body: s}, err
	})
	h.getRoutes()
	h.inspectRoutes()
	h.consoleRoutes()
}

// status looks at the hosts; for a stale answer only the record counts.
func (h *Handler) status(ctx context.Context, desired *spec.Spec) (*wire.Status, error) {
	seen := &planner.Observed{}
	if !callOf(ctx).stale {
		var err error
		if seen, err = h.Planner.Observe(ctx, desired); err != nil {
			return nil, err
		}
	}
	st := h.Planner.State()
	if desired == nil {
		desired = inForce(st)
	}
	s := statusOfFleet(st, desired, seen)
	h.addActivity(s, st)
	s.Keeping = h.keeping()
	if h.Folder != nil {
		s.Folder = h.Folder()
	}
	return s, nil
}

func statusOfFleet(st state.State, desired *spec.Spec, seen *planner.Observed) *wire.Status {
	s := &wire.Status{
		FormatVersion: wire.StatusFormat, Fleet: st.Fleet, Cluster: st.ClusterID, Mode: string(st.Mode), Revision: st.Revision,
		Hosts: []wire.Host{}, Instances: []wire.Instance{}, Pending: []wire.Pending{}, Trash: []wire.Trash{},
	}
	for _, r := range st.Revisions.All() {
		if r.Number == st.Revision {
			s.AppliedAt, s.AppliedBy = r.At, r.By
		}
	}
	view := newFleetView(st, desired, seen)
	for i := range desired.Hosts {
		s.Hosts = append(s.Hosts, view.host(&desired.Hosts[i]))
	}
	s.Instances = view.instances()
	for _, o := range st.Operations.All() {
		if !o.Phase.Final() {
			s.Pending = append(s.Pending, wire.Pending{Operation: fromOperation(o), Reason: wire.Reason(o.Reason), Started: o.Started})
		}
	}
	for _, p := range st.Plans.All() {
		s.Waiting = append(s.Waiting, fromPending(p))
	}
	for _, t := range st.Trash.All() {
		trash := wire.Trash{Instance: string(t.Instance), Host: string(t.Host), Expires: t.Expires, Disks: []string{}}
		for _, d := range t.Disks {
			trash.Disks = append(trash.Disks, d.Path)
		}
		s.Trash = append(s.Trash, trash)
	}
	return s
}

// fleetView joins the record, the spec and what was seen.
type fleetView struct {
	st      state.State
	desired *state.Desired
	seen    *planner.Observed
	zones   map[spec.Address]string
	domains map[string]placed          // by UUID
	modes   map[spec.Address]spec.Mode // of the spec in force
	shared  map[string]bool            // paths of pools that hosts share
}

type placed struct {
	host   spec.Address
	domain *planner.Domain
}

func newFleetView(st state.State, desired *spec.Spec, seen *planner.Observed) *fleetView {
	v := &fleetView{
		st: st, desired: state.NewDesired(desired), seen: seen,
		zones: zoneNames(desired), domains: map[string]placed{}, modes: map[spec.Address]spec.Mode{}, shared: map[string]bool{},
	}
	for i := range desired.Pools {
		v.shared[desired.Pools[i].Path] = desired.Pools[i].Shared
	}
	for _, h := range inForce(st).Hosts {
		v.modes[h.Address] = h.Mode
	}
	for address, o := range seen.Hosts {
		for i := range o.Domains {
			d := &o.Domains[i]
			// A migration's two ends: the one that runs is where the instance is.
			if had, ok := v.domains[d.UUID]; !ok || had.domain.Power == planner.PowerIncoming {
				v.domains[d.UUID] = placed{address, d}
			}
		}
	}
	return v
}

func (v *fleetView) host(h *spec.Host) wire.Host {
	out := wire.Host{Address: string(h.Address), Name: h.Name, Zone: v.zones[h.Zone], Mode: string(h.Mode), Wanted: string(h.Mode), URI: h.URI, State: "unknown"}
	if mode, ok := v.modes[h.Address]; ok {
		out.Mode = string(mode)
	}
	inventory := state.Inventory{}
	used := state.Usage{}
	recorded, ok := v.st.Hosts.Get(string(h.Address))
	if ok {
		inventory, used = recorded.Inventory, recorded.Used
	}
	out.Unread = planner.Unread(v.st, h.Address, v.seen.Hosts[h.Address])
	if o := v.seen.Hosts[h.Address]; o != nil {
		out.LastSeen, out.Error = o.LastSeen, o.Error
		out.State = hostState(o, v.st.ClusterID)
		if o.Reachable {
			inventory = o.Inventory
		}
	}
	limits := state.Limits(v.desired, h.Address, &inventory)
	out.Instances = used.Instances
	out.VCPUs = wire.Use{
		Used: int64(used.VCPUs), Foreign: int64(inventory.Foreign.VCPUs),
		Total: int64(limits.VCPUs), Limit: limits.AllowedVCPUs(), Ratio: limits.Ratios.CPU,
	}
	out.Memory = wire.Use{
		Used: used.MemoryMiB, Foreign: inventory.Foreign.MemoryMiB,
		Total: limits.MemoryMiB, Limit: limits.AllowedMemoryMiB(), Ratio: limits.Ratios.RAM,
	}
	out.Pools = v.pools(h, &inventory, limits.Ratios.Disk)
	out.Disk = wire.Use{Used: used.DiskMiB, Total: limits.DiskMiB, Ratio: limits.Ratios.Disk}
	for _, p := range out.Pools {
		out.Disk.Foreign += p.Other
		out.Disk.Limit += p.Limit
	}
	out.Disk.Limit += out.Disk.Foreign
	if len(out.Pools) == 0 { // never looked at
		out.Disk.Limit = limits.AllowedDiskMiB()
	}
	return out
}

// pools tells what the pools of a host have, and what is promised of them.
func (v *fleetView) pools(h *spec.Host, inventory *state.Inventory, ratio float64) []wire.Pool {
	var pools []wire.Pool
	for i := range inventory.Pools {
		seen := &inventory.Pools[i]
		pool := state.Pool{Path: seen.Path, Shared: v.shared[seen.Path]}
		room := state.RoomOf(v.desired, h.Address, inventory, pool)
		pools = append(pools, wire.Pool{
			Path: pool.Dir(), Shared: pool.Shared, Size: room.SizeMiB, Free: seen.AvailableMiB,
			Promised: v.st.PoolUsed(h.Address, pool), Written: seen.WrittenMiB, Other: seen.OtherMiB, Limit: room.AllowedMiB(ratio),
		})
	}
	return pools
}

func hostState(o *planner.HostObservation, cluster string) string {
	switch {
	case !o.Reachable:
		return "unreachable"
	case o.Inventory.Owner != "" && o.Inventory.Owner != cluster:
		return "foreign"
	case !o.Claimed:
		return "unclaimed"
	}
	return "up"
}

// instances lists those of the spec in spec order, then those that only the record has.
func (v *fleetView) instances() []wire.Instance {
	out := make([]wire.Instance, 0, len(v.desired.Spec.Instances))
	for i := range v.desired.Spec.Instances {
		want := &v.desired.Spec.Instances[i]
		have, _ := v.st.Instances.Get(string(want.Address))
		out = append(out, v.instance(want, have))
	}
	for address, have := range v.st.Instances.All() {
		if v.desired.Index.Instances[spec.Address(address)] == nil {
			out = append(out, v.instance(nil, have))
		}
	}
	return out
}

func (v *fleetView) instance(want *spec.Instance, have *state.Instance) wire.Instance {
	out := wire.Instance{State: "absent", Wanted: "absent", Addresses: []string{}, NICs: []wire.NIC{}}
	if want != nil {
		out.Address, out.Name, out.Wanted, out.Flavor = string(want.Address), want.Name, string(want.State), string(want.Flavor)
		if f := v.desired.Index.Flavors[want.Flavor]; f != nil {
			out.VCPUs, out.MemoryMiB, out.DiskMiB = f.VCPUs, int64(f.RAM), int64(f.Disk)
		}
	}
	if have == nil {
		return out
	}
	out.Address, out.Name, out.Flavor = string(have.Address), have.Name, string(have.Flavor)
	out.VCPUs, out.MemoryMiB, out.DiskMiB = have.Size.VCPUs, have.Size.MemoryMiB, have.Size.TotalDiskMiB()
	out.Host, out.HostName, out.UUID, out.Domain, out.Note = string(have.Host), v.hostName(have.Host), have.UUID, have.Domain, have.Why
	for _, nic := range have.NICs {
		out.NICs = append(out.NICs, wire.NIC{Name: nic.Name, Network: string(nic.Network), MAC: nic.MAC, IP: nic.IP})
		if nic.IP != "" {
			out.Addresses = append(out.Addresses, nic.IP)
		}
	}
	out.State = v.power(have)
	return out
}

func (v *fleetView) hostName(address spec.Address) string {
	if h := v.desired.Index.Hosts[address]; h != nil {
		return h.Name
	}
	if h, ok := v.st.Hosts.Get(string(address)); ok {
		return h.Name
	}
	return address.Short()
}

// inSpecWords says what a domain does in the words of an instance's state, so that both can be compared.
func inSpecWords(p planner.Power) string {
	switch p {
	case planner.PowerOff:
		return string(spec.Stopped)
	case planner.PowerSaved:
		return string(spec.Suspended)
	}
	return string(p)
}

// power says what the instance does, as far as it was seen.
func (v *fleetView) power(have *state.Instance) string {
	if have.Phase != state.Active {
		return string(have.Phase)
	}
	if p, ok := v.domains[have.UUID]; ok {
		if p.domain.Migrating {
			return "migrating"
		}
		return inSpecWords(p.domain.Power)
	}
	if o := v.seen.Hosts[have.Host]; o == nil || !o.Reachable {
		return "unknown"
	}
	return "missing"
}
