package planner

import (
	"fmt"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

const testCluster = "6f1c9a52-3f8e-4d7a-9c11-5a7b8c9d0e1f"

var testTime = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// world is a simulated fleet: the record as Apply keeps it, and hosts that do what operations say.
type world struct {
	t   failer
	st  state.State
	obs *Observed

	failures bool // some operations fail
}

// failer is what tests, benchmarks and properties have in common.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// newWorld bootstraps a record and shows the hosts of s to it, unclaimed, 8 cores and 16 GiB each.
func newWorld(t failer, s *spec.Spec) *world {
	w := &world{t: t, obs: &Observed{At: testTime, Hosts: map[spec.Address]*HostObservation{}}}
	w.must(state.Command{Bootstrap: &state.Bootstrap{ClusterID: testCluster, Fleet: "default", Mode: state.Sim, Level: state.Level}})
	for i := range s.Hosts {
		w.addHost(&s.Hosts[i])
	}
	return w
}

func (w *world) addHost(h *spec.Host) {
	inv := state.Inventory{
		UUID: string(h.Address), VCPUs: 8, MemoryMiB: 16384, Arch: "x86_64", VirtTypes: []string{"kvm", "qemu"},
		Pools: []state.PoolInventory{{Path: "/p", CapacityMiB: 1 << 30, AvailableMiB: 1 << 30}}, Bridges: []string{"br0"},
	}
	w.obs.Hosts[h.Address] = &HostObservation{Reachable: true, LastSeen: testTime, Inventory: inv}
	w.recordHost(h.Address)
}

// resize gives the pool of every host another size.
func (w *world) resize(mib int64) {
	for a, o := range w.obs.Hosts {
		o.Inventory.Pools = []state.PoolInventory{{Path: "/p", CapacityMiB: mib}}
		w.recordHost(a)
	}
}

func (w *world) recordHost(a spec.Address) {
	o := w.obs.Hosts[a]
	w.must(state.Command{SetInventory: &state.SetInventory{Host: a, Name: a.Short(), Inventory: o.Inventory, Claimed: o.Claimed}})
}

func (w *world) apply(c state.Command) *state.Refusal {
	w.t.Helper()
	st, r := state.Apply(w.st, state.Entry{Index: w.st.Index + 1, Term: 1, At: testTime, Command: c})
	w.st = st
	return r.Refused
}

func (w *world) must(c state.Command) {
	w.t.Helper()
	if r := w.apply(c); r != nil {
		w.t.Fatalf("refused: %s: %s", r.Code, r.Message)
	}
}

// plan computes what s would take.
func (w *world) plan(s *spec.Spec, o Options) *Plan {
	return Compute(Propose(w.st, s, o), w.obs, testTime, o)
}

// replan computes what is left to do.
func (w *world) replan() *Plan { return Compute(w.st, w.obs, testTime, Options{}) }

// approve plans s and commits the plan.
func (w *world) approve(s *spec.Spec, o Options) *Plan {
	w.t.Helper()
	proposed := Propose(w.st, s, o)
	p := Compute(proposed, w.obs, testTime, o)
	rev, chunks, err := state.EncodeSpec(proposed.Desired.Spec)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range chunks {
		w.must(state.Command{PutChunk: &state.PutChunk{Digest: c.Digest, Data: c.Data}})
	}
	w.must(state.Command{Approve: &state.Approve{Stack: "default", Base: p.Base, Manifest: rev, PlanDigest: p.Digest,
		Operations: p.Operations, Cancel: p.Cancel, Request: fmt.Sprint("r", w.st.Approvals)}})
	return p
}

// pending returns the operations that have not begun, oldest first.
func (w *world) pending() []string { return w.inPhase(state.Pending) }

func (w *world) inPhase(p state.Phase) []string {
	var ids []string
	for id, op := range w.st.Operations.All() {
		if op.Phase == p {
			ids = append(ids, id)
		}
	}
	return ids
}

// start begins an operation if the record lets it.
func (w *world) start(id string) *state.Refusal {
	return w.apply(state.Command{Start: &state.Start{Operation: id, Epoch: 1}})
}

// finish does what a running operation says and reports success.
func (w *world) finish(id string) {
	w.t.Helper()
	op, _ := w.st.Operations.Get(id)
	before, _ := w.st.Instances.Get(string(op.Instance))
	w.must(state.Command{Finish: &state.Finish{Operation: id, Epoch: 1}})
	w.happen(op, before)
	for a := range w.obs.Hosts {
		if h, ok := w.st.Hosts.Get(string(a)); ok {
			w.obs.Hosts[a].Inventory.Owner, w.obs.Hosts[a].Claimed = h.Inventory.Owner, h.Claimed
		}
	}
}

// happen changes the hosts.
func (w *world) happen(op *state.Operation, before *state.Instance) {
	in, ok := w.st.Instances.Get(string(op.Instance))
	switch op.Action {
	case state.Terminate:
		w.drop(before.Host, before.UUID)
	case state.Forget:
		if d := w.domain(before); d != nil {
			d.Cluster, d.Address = "", ""
		}
	case state.Create, state.Rebuild:
		power := PowerRunning
		if in.Stopped {
			power = PowerOff
		}
		w.define(in, power)
	case state.Migrate:
		d := w.domain(before)
		power := d.Power
		w.drop(before.Host, before.UUID)
		w.define(in, power)
	case state.StartUp, state.Resume:
		w.domain(in).Power = PowerRunning
	case state.Stop:
		w.domain(in).Power = PowerOff
	case state.Pause:
		w.domain(in).Power = PowerPaused
	case state.Suspend:
		w.domain(in).Power = PowerSaved
	case state.Redefine:
		power := w.domain(in).Power
		w.drop(in.Host, in.UUID)
		w.define(in, power)
	}
	if ok && w.domain(in) != nil {
		w.domain(in).Generation = in.Generation
	}
}

func (w *world) define(in *state.Instance, power Power) {
	d := Domain{UUID: in.UUID, Name: in.Domain, Power: power, Persistent: true, VCPUs: in.Size.VCPUs, MemoryMiB: in.Size.MemoryMiB,
		Cluster: testCluster, Stack: in.Stack, Address: in.Address, Generation: in.Generation}
	for _, n := range in.NICs {
		d.MACs = append(d.MACs, n.MAC)
	}
	h := w.obs.Hosts[in.Host]
	h.Domains = append(h.Domains, d)
}

func (w *world) drop(host spec.Address, uuid string) {
	h := w.obs.Hosts[host]
	var kept []Domain
	for _, d := range h.Domains {
		if d.UUID != uuid {
			kept = append(kept, d)
		}
	}
	h.Domains = kept
}

func (w *world) domain(in *state.Instance) *Domain {
	h := w.obs.Hosts[in.Host]
	if h == nil {
		return nil
	}
	for i := range h.Domains {
		if h.Domains[i].UUID == in.UUID {
			return &h.Domains[i]
		}
	}
	return nil
}

// run carries out everything that is pending, one after the other.
func (w *world) run() {
	w.t.Helper()
	for {
		progress := false
		for _, id := range w.pending() {
			if w.start(id) == nil {
				w.finish(id)
				progress = true
			}
		}
		if !progress {
			break
		}
	}
	if left := w.pending(); len(left) > 0 {
		op, _ := w.st.Operations.Get(left[0])
		w.t.Fatalf("%d operations never start; %s: %v", len(left), left[0], w.start(op.ID))
	}
}

// converge approves s, carries it out, and wants nothing left.
func (w *world) converge(s *spec.Spec) *Plan {
	w.t.Helper()
	p := w.approve(s, Options{})
	if len(p.Errors) > 0 || len(p.Unplaced) > 0 {
		w.t.Fatalf("errors %+v, unplaced %+v", p.Errors, p.Unplaced)
	}
	w.run()
	w.settled()
	return p
}

func (w *world) settled() {
	w.t.Helper()
	if p := w.replan(); !p.Empty() || len(p.Errors) > 0 {
		w.t.Fatalf("second plan is not empty: %+v %+v", p.Changes, p.Errors)
	}
}

// at returns the host that an instance is on.
func (w *world) at(a spec.Address) spec.Address {
	w.t.Helper()
	in, ok := w.st.Instances.Get(string(a))
	if !ok {
		w.t.Fatalf("no %s in the record", a)
	}
	return in.Host
}

// fleetSpec is a spec of hosts h1.. and, per name, instances.
func fleetSpec(hosts int, instances ...spec.Instance) *spec.Spec {
	s := &spec.Spec{
		Fleet: "default", Stack: "default",
		Zones:     []spec.Zone{{Address: "zone.az1", Name: "az1"}, {Address: "zone.az2", Name: "az2"}},
		Pools:     []spec.Pool{{Address: "pool.p", Name: "p", Type: spec.PoolDir, Path: "/p", Shared: true}},
		Flavors:   []spec.Flavor{{Address: "flavor.small", Name: "small", VCPUs: 1, RAM: 1024, Disk: 1024}, {Address: "flavor.big", Name: "big", VCPUs: 4, RAM: 12288, Disk: 1024}},
		Images:    []spec.Image{{Address: "image.i", Name: "i", Location: "/i", Format: "qcow2"}},
		Networks:  []spec.Network{{Address: "network.n", Name: "n", Bridge: "br0", CIDR: "10.0.0.0/16", Gateway: "10.0.0.1"}},
		Scheduler: spec.Scheduler{Ratios: spec.Ratios{RAM: 1, CPU: 16, Disk: 1}},
	}
	for i := range hosts {
		name := fmt.Sprintf("h%d", i+1)
		s.Hosts = append(s.Hosts, spec.Host{Address: spec.NewAddress("host", name), Name: name, Mode: spec.ModeActive, URI: "sim://" + name})
	}
	s.Instances = instances
	return s
}

// inst is an instance of the flavor.
func inst(name, flavor string) spec.Instance {
	return spec.Instance{Address: spec.NewAddress("instance", name), Name: name, Flavor: spec.NewAddress("flavor", flavor), Image: "image.i",
		State: spec.Running, NICs: []spec.NIC{{Network: "network.n"}}}
}

// many returns n instances of one block.
func many(name, flavor string, n int) []spec.Instance {
	all := make([]spec.Instance, n)
	for i := range all {
		all[i] = inst(name, flavor)
		all[i].Address = all[i].Address.Index(i)
	}
	return all
}

// edit returns a copy of s, changed.
func edit(s *spec.Spec, change func(*spec.Spec)) *spec.Spec {
	c := *s
	c.Hosts = append([]spec.Host{}, s.Hosts...)
	c.Instances = append([]spec.Instance{}, s.Instances...)
	change(&c)
	return &c
}

func TestCreateTerminateNoChange(t *testing.T) {
	s := fleetSpec(3, many("web", "small", 5)...)
	w := newWorld(t, s)
	p := w.converge(s)
	if p.Summary.Create != 5 || len(p.Operations) != 8 {
		t.Errorf("summary %+v, %d operations", p.Summary, len(p.Operations))
	}
	p = w.converge(edit(s, func(s *spec.Spec) { s.Instances = s.Instances[:3] }))
	if p.Summary.Terminate != 2 || w.st.Instances.Len() != 3 {
		t.Errorf("summary %+v, %d left", p.Summary, w.st.Instances.Len())
	}
}

// settleAll makes s real at once, without going through the operations one by one.
// Zero is what somebody wrote who wants no trash and no waiting; defaults are the language's to add.
func TestNoRetentionAndNoPatienceAreKept(t *testing.T) {
	w := newWorld(t, fleetSpec(1))
	w.approve(fleetSpec(1, inst("web", "small")), Options{})
	w.run()
	in, ok := w.st.Instances.Get("instance.web")
	if !ok || in.TrashRetention != 0 || in.ShutdownTimeout != 0 {
		t.Errorf("recorded: %+v, want one without retention and shutdown timeout", in)
	}
}

func (w *world) settleAll(s *spec.Spec) {
	w.t.Helper()
	p := Compute(Propose(w.st, s, Options{}), w.obs, testTime, Options{})
	w.st = Propose(w.st, s, Options{})
	w.st.Desired.Base = nil
	var made []state.Instance
	for i := range p.Operations {
		if b := p.Operations[i].Build; b != nil {
			in := *b
			in.Phase = state.Active
			made = append(made, in)
		}
	}
	w.must(state.Command{Restore: &state.Restore{Instances: made}})
	for i := range made {
		w.define(&made[i], PowerRunning)
	}
	for a, o := range w.obs.Hosts {
		o.Claimed, o.Inventory.Owner = true, testCluster
		w.recordHost(a)
	}
}
