package reconcile_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
	"github.com/novaplan/novaplan/spec"
)

// lab is a simulated fleet, its record, and a controller that can be killed.
type lab struct {
	t     testing.TB
	world *sim.World
	rec   *cluster.Memory
	spec  spec.Spec
	opts  reconcile.Options
	drv   hypervisor.Driver // nil: world

	faults []string // that were injected, with their time
	// lateCreates: some files may be made late, under names that nobody looks for any more. They stay, empty.
	lateCreates bool

	c    *reconcile.Controller
	stop context.CancelFunc
	ran  chan error
}

// newLab makes hosts kvm1..kvmN with one pool.
func newLab(t testing.TB, hosts int, shared bool) *lab {
	t.Helper()
	l := &lab{t: t, world: sim.New(sim.Options{}), rec: cluster.NewMemory(state.Sim)}
	l.spec = spec.Spec{
		Fleet: "default", Stack: "default",
		Pools:    []spec.Pool{{Address: "pool.vms", Name: "vms", Type: spec.PoolDir, Path: "/srv/vms", Shared: shared}},
		Flavors:  []spec.Flavor{{Address: "flavor.small", Name: "small", VCPUs: 1, RAM: 1024, Disk: 10240}},
		Images:   []spec.Image{{Address: "image.debian", Name: "debian", Location: "/debian.qcow2", Format: "qcow2", Checksum: "sha256:" + strings.Repeat("0", 64)}},
		Networks: []spec.Network{{Address: "network.lan", Name: "lan", Bridge: "br0", CIDR: "10.0.0.0/16"}},
	}
	for i := range hosts {
		name := fmt.Sprintf("kvm%d", i+1)
		l.spec.Hosts = append(l.spec.Hosts, spec.Host{
			Address: spec.NewAddress("host", name), Name: name, URI: "sim://" + name, Mode: spec.ModeActive,
			Capacity: &spec.Capacity{VCPUs: 16, RAM: 65536, Disk: 1 << 20},
		})
	}
	l.opts.Images = reconcile.Images{Images: &disk.Images{Source: disk.Simulated{}, Cache: disk.NewCache(disk.CacheOptions{})}}
	if os.Getenv("NOVAPLAN_TEST_LOG") != "" {
		l.opts.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return l
}

// want sets the instances vm[0..n).
func (l *lab) want(n int) {
	l.spec.Instances = nil
	for i := range n {
		l.spec.Instances = append(l.spec.Instances, spec.Instance{
			Address: spec.NewAddress("instance", "vm").Index(i), Name: fmt.Sprintf("vm-%d", i),
			Flavor: "flavor.small", Image: "image.debian", Pool: "pool.vms", State: spec.Running,
			NICs:            []spec.NIC{{Network: "network.lan"}},
			Metadata:        map[string]string{"n": fmt.Sprint(i)}, // no two bodies are equal: none looks renamed
			ShutdownTimeout: spec.DefaultShutdownTimeout, TrashRetention: spec.DefaultTrashRetention,
		})
	}
}

func (l *lab) mode(host int, mode spec.Mode) { l.spec.Hosts[host-1].Mode = mode }

// begin starts a controller with its loop.
func (l *lab) begin() {
	l.t.Helper()
	ctx, cancel := context.WithCancel(l.t.Context())
	var drv hypervisor.Driver = l.world
	if l.drv != nil {
		drv = l.drv
	}
	l.c = reconcile.New(l.rec, drv, l.opts)
	l.stop, l.ran = cancel, make(chan error, 1)
	c, ran := l.c, l.ran
	go func() { ran <- c.Run(ctx) }()
}

// kill ends the controller as a crash would, and its leadership with it.
func (l *lab) kill() {
	l.t.Helper()
	l.stop()
	<-l.ran
	_ = l.c.Close()
	l.rec.Depose()
}

// plan computes what would be done to reach the lab's spec.
func (l *lab) plan() *planner.Plan {
	l.t.Helper()
	wanted := l.snapshot()
	plan, _, err := l.c.Plan(l.t.Context(), &wanted, planner.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	return plan
}

// snapshot copies the spec: what was given away must not change.
func (l *lab) snapshot() spec.Spec {
	s := l.spec
	s.Hosts = append([]spec.Host(nil), l.spec.Hosts...)
	s.Instances = append([]spec.Instance(nil), l.spec.Instances...)
	return s
}

// approve approves the plan for the lab's spec and returns what to follow. What an earlier controller
// left goes on meanwhile, so a plan may be stale: then the new one is approved.
func (l *lab) approve() []string {
	l.t.Helper()
	for range 20 {
		wanted := l.snapshot()
		plan, _, err := l.c.Plan(l.t.Context(), &wanted, planner.Options{})
		if err != nil {
			l.t.Fatal(err)
		}
		approved, err := l.c.Approve(l.t.Context(), planner.Approval{
			Spec: &wanted, Base: plan.Base, Digest: plan.Digest, By: "test", Request: fmt.Sprintf("req-%d", l.rec.State().Index),
		})
		if err != nil {
			l.t.Fatal(err)
		}
		if !approved.Stale {
			return approved.Operations
		}
	}
	l.t.Fatalf("every plan is stale\n%s", l.dump())
	return nil
}

// apply approves and waits until all is settled.
func (l *lab) apply() {
	l.t.Helper()
	ids := l.approve()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Hour)
	defer cancel()
	if err := l.c.Settle(ctx, ids); err != nil {
		l.t.Fatalf("settle: %v\n%s", err, l.dump())
	}
}

// converged fails unless every operation ended well and nothing is left to do.
func (l *lab) converged() {
	l.t.Helper()
	for id, op := range l.rec.State().Operations.All() {
		if op.Phase != state.Done {
			l.t.Errorf("operation %s %s %s is %s: %s", id, op.Action, op.Instance, op.Phase, op.Error)
		}
	}
	l.matches()
}

// matches fails unless nothing is left to do.
func (l *lab) matches() {
	l.t.Helper()
	if p := l.plan(); !p.Empty() || len(p.Errors) > 0 {
		l.t.Errorf("the next plan is not empty: %+v %+v", p.Changes, p.Errors)
	}
	l.sound()
}

// sound checks the invariants against what is really so.
func (l *lab) sound() {
	l.t.Helper()
	truth := l.world.Truth()
	for _, v := range truth.Violations {
		l.t.Errorf("violation: %+v", v)
	}
	st := l.rec.State()
	used := map[string]bool{}
	for _, inst := range st.Instances.All() {
		for _, d := range inst.Disks {
			used[l.place(inst.Pool.Shared, inst.Host)+d.Path] = true
		}
	}
	for _, tr := range st.Trash.All() {
		for _, d := range tr.Disks {
			used[l.place(tr.Pool.Shared, tr.Host)+d.Path] = true
		}
	}
	for _, d := range truth.Disks {
		at := d.Host
		if at != "" {
			at += ":"
		}
		if strings.Contains(d.Path, "/np-image-") || strings.Contains(d.Path, "image") || used[at+d.Path] {
			continue
		}
		if l.lateCreates && d.Allocated <= sim.EmptyDisk {
			continue
		}
		l.t.Errorf("orphan disk %s%s", at, d.Path)
	}
	for _, d := range truth.Domains {
		if d.Stamp == nil || d.Stamp.Cluster != st.ClusterID {
			continue
		}
		inst, ok := st.Instances.Get(d.Stamp.Address)
		if !ok || inst.UUID != d.UUID || l.hostName(inst.Host) != d.Host {
			l.t.Errorf("orphan domain %s on %s (%s)", d.Name, d.Host, d.Power)
		}
	}
}

func (l *lab) place(shared bool, host spec.Address) string {
	if shared {
		return ""
	}
	return l.hostName(host) + ":"
}

func (l *lab) hostName(a spec.Address) string {
	for _, h := range l.spec.Hosts {
		if h.Address == a {
			return h.Name
		}
	}
	return a.Short()
}

// on counts running guests by host name.
func (l *lab) on() map[string]int {
	counts := map[string]int{}
	for _, d := range l.world.Truth().Domains {
		if d.Power == hypervisor.PowerRunning {
			counts[d.Host]++
		}
	}
	return counts
}

func (l *lab) total() int {
	n := 0
	for _, k := range l.on() {
		n += k
	}
	return n
}

func (l *lab) dump() string {
	var b strings.Builder
	for id, op := range l.rec.State().Operations.All() {
		fmt.Fprintf(&b, "%s %s %s %s->%s %s epoch %d steps %v error %q\n", id, op.Action, op.Instance, op.From, op.To, op.Phase, op.Epoch, op.Steps, op.Error)
	}
	for a, in := range l.rec.State().Instances.All() {
		fmt.Fprintf(&b, "%s on %s %s gen %d %s\n", a, in.Host, in.Phase, in.Generation, in.Why)
	}
	return b.String()
}
