package observe_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
	"github.com/novaplan/novaplan/reconcile/observe"
	"github.com/novaplan/novaplan/spec"
)

const ours, theirs = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"

func look(w *sim.World, hosts int) observe.Look {
	l := observe.Look{
		Pools: []spec.Pool{{Path: "/srv/b"}, {Path: "/srv/a", Shared: true}, {Path: "/srv/b"}}, Cluster: ours,
		Open: func(ctx context.Context, h *spec.Host) (hypervisor.Host, error) {
			return w.Open(ctx, hypervisor.Target{Name: h.Name, URI: h.URI, VCPUs: 8, MemoryMiB: 4096, DiskMiB: 10240})
		},
	}
	for i := range hosts {
		name := fmt.Sprintf("h%d", i)
		l.Hosts = append(l.Hosts, &spec.Host{Address: spec.NewAddress("host", name), Name: name, URI: "sim://" + name})
	}
	return l
}

// TestOneSilentHostCostsTheOthersNothing: a hung and a dead host are lines in the result, within the
// time for a first answer.
func TestOneSilentHostCostsTheOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sim.New(sim.Options{})
		l := look(w, 50)
		w.SetCondition("h7", sim.Hung)
		w.SetCondition("h9", sim.Down)
		began := time.Now()
		seen, err := l.At(t.Context(), began)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > observe.DefaultConnect {
			t.Errorf("took %s", took)
		}
		for address, h := range seen.Hosts {
			silent := address == "host.h7" || address == "host.h9"
			if h.Reachable == silent || silent && h.Error == "" {
				t.Errorf("%s: reachable %v, %q", address, h.Reachable, h.Error)
			}
		}
	})
}

// TestASilentHostIsNotWaitedForAgain: its time for a first answer is spent once, and it is seen when it is back.
func TestASilentHostIsNotWaitedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sim.New(sim.Options{})
		l := look(w, 2)
		w.SetCondition("h1", sim.Hung)
		for _, longest := range []time.Duration{observe.DefaultConnect, time.Second, time.Second} {
			began := time.Now()
			seen, err := l.At(t.Context(), began)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > longest {
				t.Errorf("took %s, want %s at most", took, longest)
			}
			l.Last = seen
		}
		w.SetCondition("h1", sim.Up)
		seen, err := l.At(t.Context(), time.Now())
		if err != nil || !seen.Hosts["host.h1"].Reachable {
			t.Errorf("it is back, and looks like %+v (%v)", seen.Hosts["host.h1"], err)
		}
	})
}

// TestInventory: what a host has, whose it is, and what others use of it.
func TestInventory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sim.New(sim.Options{})
		l := look(w, 1)
		behind := w.Behind("h0")
		for i, cluster := range []string{ours, theirs, ""} {
			def := hypervisor.Definition{
				UUID: fmt.Sprintf("33333333-3333-4333-8333-33333333333%d", i), Name: fmt.Sprint("d", i), VirtType: "kvm",
				VCPUs: 1 + i, MemoryMiB: 100 * int64(1+i), Stamp: hypervisor.Stamp{Cluster: cluster},
			}
			if err := behind.DefineDomain(t.Context(), def); err != nil {
				t.Fatal(err)
			}
		}
		if err := behind.SetClaim(t.Context(), hypervisor.Claim{Cluster: theirs}); err != nil {
			t.Fatal(err)
		}
		seen, err := l.At(t.Context(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		h := seen.Hosts["host.h0"]
		if h.Claimed || h.Inventory.Owner != theirs {
			t.Errorf("claimed %v by %q", h.Claimed, h.Inventory.Owner)
		}
		if want := (state.Usage{VCPUs: 5, MemoryMiB: 500, Instances: 2}); h.Inventory.Foreign != want {
			t.Errorf("foreign use is %+v, want %+v", h.Inventory.Foreign, want)
		}
		paths := []string{}
		for _, p := range h.Inventory.Pools {
			paths = append(paths, p.Path)
		}
		if diff := cmp.Diff([]string{"/srv/a", "/srv/b"}, paths); diff != "" {
			t.Error(diff)
		}
		if len(h.Domains) != 3 || h.Inventory.VCPUs != 8 || h.Inventory.Capabilities["arch"] != h.Inventory.Arch {
			t.Errorf("observed %+v", h)
		}
	})
}

// TestWhatTakesThePool: the disks of recorded instances count as ours, all else as other: trash, images, foreign
// files, and what isn't in the pool at all.
func TestWhatTakesThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sim.New(sim.Options{})
		l := look(w, 3)
		l.Pools = []spec.Pool{{Path: "/srv/a", Shared: true}, {Path: "/srv/b"}}
		l.Disks = func(host spec.Address, p spec.Pool) map[string]bool {
			if p.Shared || host == "host.h0" {
				return map[string]bool{"ours": true}
			}
			return nil
		}
		h0 := w.Behind("h0")
		for _, p := range []hypervisor.Pool{{Path: "/srv/a", Shared: true}, {Path: "/srv/b"}} {
			for name, mib := range map[string]int64{"ours": 3, "foreign": 5, "np-image-0123456789ab-1.ok": 0, "np-image-0123456789ab-1.raw": 0,
				"np-image-ba9876543210.qcow2": 2, "np-image-aaaaaaaaaaaa.ok": 0} {
				put(t, h0, p, name, mib)
			}
		}
		if err := h0.SetClaim(t.Context(), hypervisor.Claim{Cluster: ours}); err != nil {
			t.Fatal(err)
		}
		seen, err := l.At(t.Context(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for host, want := range map[spec.Address][2]state.PoolInventory{
			"host.h0": {{WrittenMiB: 3, OtherMiB: 7}, {WrittenMiB: 3, OtherMiB: 7}},
			"host.h2": {{WrittenMiB: 3, OtherMiB: 7}, {}},
		} {
			for i, got := range seen.Hosts[host].Inventory.Pools {
				if got.WrittenMiB != want[i].WrittenMiB || got.OtherMiB != want[i].OtherMiB {
					t.Errorf("%s: %+v, want %+v", host, got, want[i])
				}
			}
		}
		if got := seen.Hosts["host.h0"].Written; !maps.Equal(got, map[string]int64{"/srv/b/ours": 3}) {
			t.Errorf("written on h0: %v", got)
		}
		if !maps.Equal(seen.Written, map[string]int64{"/srv/a/ours": 3}) {
			t.Errorf("written on shared pools: %v", seen.Written)
		}
		if diff := cmp.Diff([]planner.CachedImage{{Pool: "/srv/a", Digest: "0123456789ab"}, {Pool: "/srv/b", Digest: "0123456789ab"}}, seen.Hosts["host.h0"].Images); diff != "" {
			t.Error(diff)
		}
	})
}

// put makes a raw file of so many MiB.
func put(t *testing.T, h hypervisor.Host, p hypervisor.Pool, name string, mib int64) {
	t.Helper()
	if _, err := h.EnsurePool(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := h.CreateVolume(t.Context(), p, hypervisor.VolumeSpec{Name: name, Format: "raw", Bytes: mib << 20}); err != nil {
		t.Fatal(err)
	}
	if err := h.UploadVolume(t.Context(), p, name, bytes.NewReader(make([]byte, mib<<20)), mib<<20, nil); err != nil {
		t.Fatal(err)
	}
}

// TestChanged: figures that only jitter are no news.
func TestChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sim.New(sim.Options{})
		l := look(w, 1)
		first, err := l.At(t.Context(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		recorded := &state.Host{Name: "h0", Inventory: first.Hosts["host.h0"].Inventory}
		recorded.Inventory.Version = 1
		recorded.Inventory.Pools[0].AvailableMiB -= 500
		l.Recorded = func(spec.Address) *state.Inventory { return &recorded.Inventory }
		again, err := l.At(t.Context(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if observe.Changed(recorded, "h0", again.Hosts["host.h0"]) {
			t.Error("500 MiB less free space is news")
		}
		recorded.Inventory.MemoryMiB++
		if !observe.Changed(recorded, "h0", again.Hosts["host.h0"]) {
			t.Error("another amount of memory is no news")
		}
	})
}
