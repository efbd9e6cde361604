package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
	"github.com/novaplan/novaplan/spec"
	"github.com/novaplan/novaplan/spec/lang"
	"github.com/novaplan/novaplan/spec/watch"
)

// bench is a watched fleet in virtual time: simulated hosts that take as long as real ones, a record in memory, the
// whole controller and its API, and a folder that is saved by the test.
type bench struct {
	t       *testing.T
	world   *sim.World
	rec     *cluster.Memory
	spec    *spec.Spec // what the folder says
	folders chan watch.Folder
	signals chan os.Signal
	ended   chan error
	log     *bytes.Buffer
	saves   int
}

const benchFleet = `
host "kvm" {
  for_each = toset(["a", "b", "c", "d"])
  name     = each.key
  uri      = "sim://${each.key}"
}
pool "vms" {
  path   = "/srv/vms"
  shared = SHARED
}
flavor "small" {
  vcpus = 1
  ram   = "2GiB"
  disk  = "10GiB"
}
image "debian" {
  source   = "https://images.example.org/debian-13.qcow2"
  checksum = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
}
instance "vm" {
  count    = 10
  flavor   = flavor.small
  image    = image.debian
  pool     = pool.vms
  metadata = { n = count.index }
}
migration {
  parallel_per_host = 1
  parallel_total    = 2
}
`

func loadBench(t *testing.T, shared bool) *spec.Spec {
	t.Helper()
	text := bytes.ReplaceAll([]byte(benchFleet), []byte("SHARED"), fmt.Append(nil, shared))
	f, diags := lang.Load(t.Context(), makeFolder(t, map[string]string{"f.np.hcl": string(text)}), lang.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return f.Spec
}

// newBench starts watching, in a bubble.
func newBench(t *testing.T, s *spec.Spec) *bench {
	b := &bench{
		t: t, world: sim.New(sim.Realistic()), rec: cluster.NewMemory(state.Sim), spec: s,
		folders: make(chan watch.Folder), signals: make(chan os.Signal), ended: make(chan error, 1), log: &bytes.Buffer{},
	}
	c := &console{In: bytes.NewReader(nil), Out: b.log, Err: b.log}
	w := newWatching(c, t.TempDir(), &watchFlags{auto: "safe", parallel: 10, limits: defaultEvaluation})
	ctx, cancel := context.WithCancel(context.Background())
	w.base = ctx
	w.folder.evaluate = func(context.Context) (*evaluation, *spec.Spec, error) {
		now := *b.spec
		now.Hosts, now.Instances = slices.Clone(b.spec.Hosts), slices.Clone(b.spec.Instances)
		return &evaluation{}, &now, nil
	}
	w.connect = func(_ context.Context, p place) (*session, error) {
		images := reconcile.Images{Images: &disk.Images{Source: disk.Simulated{}, Cache: disk.NewCache(disk.CacheOptions{})}}
		world := &world{driver: b.world, sizes: disk.Simulated{}}
		local := newController(b.rec, world, reconcile.Options{Images: images, Parallelism: 10}, p)
		local.run = local.Controller.Run
		local.closers = append(local.closers, local.Controller.Close)
		local.serve(api.Ports{Planner: local.Controller, Executor: local, Inspector: local.Controller, Consoles: local.Controller})
		return local.session(), nil
	}
	go func() {
		defer cancel()
		defer w.close()
		b.ended <- w.loop(ctx, b.folders, b.signals, cancel)
	}()
	return b
}

// save lets the folder say what b.spec says.
func (b *bench) save() {
	b.saves++
	b.folders <- watch.Folder{Files: map[string][]byte{"f.np.hcl": fmt.Append(nil, b.saves)}, Digest: watch.SumOf(fmt.Append(nil, b.saves))}
}

func (b *bench) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// stop ends watching; everything that was begun must have ended before.
func (b *bench) stop() {
	b.t.Helper()
	b.signals <- os.Interrupt
	if err := <-b.ended; err != nil {
		b.t.Errorf("watching ended with %v\n%s", err, b.log)
	}
}

// sound checks what must be so at any moment: nothing twice, nobody booted a second time, no disk lost.
func (b *bench) sound(when string) {
	b.t.Helper()
	truth := b.world.Truth()
	for _, v := range truth.Violations {
		b.t.Errorf("%s: %+v", when, v)
	}
	for _, d := range truth.Domains {
		if d.Power == hypervisor.PowerRunning && d.Starts > 1 {
			b.t.Errorf("%s: %s was booted %d times", when, d.Name, d.Starts)
		}
	}
}

// settled checks that the record is what is really so, and that nothing is left of what was changed on the way.
func (b *bench) settled(drained map[string]bool) {
	b.t.Helper()
	b.sound("at the end")
	st, truth := b.rec.State(), b.world.Truth()
	where := map[string]string{}
	for _, d := range truth.Domains {
		if other := where[d.UUID]; other != "" {
			b.t.Errorf("%s is defined on %s and on %s", d.Name, other, d.Host)
		}
		where[d.UUID] = d.Host
		if d.Power != hypervisor.PowerRunning {
			b.t.Errorf("%s is %s", d.Name, d.Power)
		}
	}
	disks := map[string]int{}
	for _, in := range st.Instances.All() {
		host := in.Host.Short()
		host = host[len(`kvm["`) : len(host)-len(`"]`)]
		if where[in.UUID] != host || drained[host] {
			b.t.Errorf("%s is recorded on %s, is on %q, and %s is draining: %v", in.Address, host, where[in.UUID], host, drained[host])
		}
		disks[in.UUID] = len(in.Disks)
	}
	if len(where) != len(b.spec.Instances) || len(disks) != len(where) {
		b.t.Errorf("%d domains, %d instances, want %d", len(where), len(disks), len(b.spec.Instances))
	}
	for id, op := range st.Operations.All() {
		if !op.Phase.Final() {
			b.t.Errorf("operation %s (%s %s) is %s", id, op.Action, op.Instance, op.Phase)
		}
	}
}

// Hosts are drained and taken back by saving the folder, at any moment of the moves that this begins, again and again;
// whatever the moments, all ends well.
func TestDrainsAreChangedAtAnyMoment(t *testing.T) {
	rounds := 16
	if testing.Short() {
		rounds = 4
	}
	for seed := range uint64(rounds) {
		shared := seed%2 == 0
		s := loadBench(t, shared)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { changeMinds(t, s, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func changeMinds(t *testing.T, s *spec.Spec, chance *rand.Rand) {
	b := newBench(t, s)
	defer func() {
		if t.Failed() {
			t.Log(b.log)
		}
	}()
	b.save()
	b.pass(5 * time.Minute)
	if n := b.rec.State().Instances.Len(); n != len(s.Instances) {
		t.Fatalf("%d instances at the beginning", n)
	}
	drained := map[string]bool{}
	for range 12 {
		h := &s.Hosts[chance.IntN(len(s.Hosts))]
		switch {
		case drained[h.Name]:
			h.Mode, drained[h.Name] = spec.ModeActive, false
		case count(drained) < 2: // the rest must have room
			h.Mode, drained[h.Name] = spec.ModeDrain, true
		default:
			continue
		}
		b.save()
		// From within the planning to long after the last move.
		b.pass(time.Duration(chance.ExpFloat64() * float64(4*time.Second)))
		b.sound(fmt.Sprintf("after save %d", b.saves))
	}
	b.pass(30 * time.Minute)
	b.stop()
	b.settled(drained)
}

func count(set map[string]bool) int {
	n := 0
	for _, in := range set {
		if in {
			n++
		}
	}
	return n
}

// A drain that is taken back before it moved much is withdrawn: what was not begun never happens.
func TestDrainIsWithdrawn(t *testing.T) {
	s := loadBench(t, true)
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, s)
		b.save()
		b.pass(5 * time.Minute)
		before := b.on("a")
		s.Hosts[0].Mode = spec.ModeDrain
		b.save()
		b.pass(time.Second) // the first move is under way, one at a time
		s.Hosts[0].Mode = spec.ModeActive
		b.save()
		b.pass(30 * time.Minute)
		b.stop()
		b.settled(nil)
		if after := b.on("a"); before < 2 || after != before-1 {
			t.Errorf("%d guests on a before, %d after: one move was under way\n%s", before, after, b.log)
		}
		withdrawn := 0
		for _, op := range b.rec.State().Operations.All() {
			if op.Action == state.Migrate && op.Phase == state.Cancelled {
				withdrawn++
			}
		}
		if withdrawn != before-1 {
			t.Errorf("%d moves were withdrawn, want %d\n%s", withdrawn, before-1, b.log)
		}
	})
}

func (b *bench) on(host string) int {
	n := 0
	for _, d := range b.world.Truth().Domains {
		if d.Host == host {
			n++
		}
	}
	return n
}
