package planner

import (
	"slices"
	"testing"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// fill shows what the pool of every host has besides.
func (w *world) fill(pool state.PoolInventory) {
	for a, o := range w.obs.Hosts {
		pool.Path = "/p"
		o.Inventory.Pools = []state.PoolInventory{pool}
		w.recordHost(a)
	}
}

// wrote gives each instance disks, and shows them to be written so far.
func (w *world) wrote(mib int64) {
	w.obs.Written = map[string]int64{}
	for _, in := range w.st.Instances.All() {
		disks := []state.Disk{{Role: "root", Path: "/p/" + in.UUID, Format: "qcow2"}}
		next := *in
		next.Disks, next.Generation = disks, in.Generation+1
		w.must(state.Command{Restore: &state.Restore{Instances: []state.Instance{next}}})
		w.domain(&next).Generation = next.Generation
		w.obs.Written[disks[0].Path] = mib
	}
}

// TestWhatOthersTakeIsNotPromised: trash, cached images and foreign disks count, at plan time and when an operation
// starts, and the refusal has the figures.
func TestWhatOthersTakeIsNotPromised(t *testing.T) {
	for _, tc := range []struct {
		pool    state.PoolInventory
		ratio   float64
		creates int
		says    string
	}{
		{state.PoolInventory{CapacityMiB: 4096}, 1, 4, "disk: wants 1024 MiB, 0 of 4096 left at ratio 1 in shared pool /p"},
		{state.PoolInventory{CapacityMiB: 4096, OtherMiB: 1500}, 1, 2,
			"disk: wants 1024 MiB, 548 of 2596 left at ratio 1 in shared pool /p; trash, images and other files take 1500 MiB"},
		{state.PoolInventory{CapacityMiB: 4096, OtherMiB: 4000}, 4, 0,
			"disk: wants 1024 MiB, shared pool /p has 96 in all; trash, images and other files take 4000 MiB"},
		{state.PoolInventory{CapacityMiB: 4096, OtherMiB: 1024}, 2, 6, ""},
		{state.PoolInventory{CapacityMiB: 4096, WrittenMiB: 4000}, 4, 4, "disk: wants 1024 MiB, 288 of 4384 left at ratio 4 in shared pool /p"},
	} {
		s := fleetSpec(2, many("web", "small", 6)...)
		s.Scheduler.Ratios.Disk = tc.ratio
		w := newWorld(t, s)
		w.fill(tc.pool)
		p := w.approve(s, Options{})
		says := ""
		if len(p.Unplaced) > 0 {
			says = p.Unplaced[0].Placement.Nearest.Message
		}
		if p.Summary.Create != tc.creates || says != tc.says {
			t.Errorf("%+v at %g: %d created, %q; want %d, %q", tc.pool, tc.ratio, p.Summary.Create, says, tc.creates, tc.says)
		}
		w.run() // Start agrees
		if n := w.st.Instances.Len(); n != tc.creates {
			t.Errorf("%+v at %g: %d instances, want %d", tc.pool, tc.ratio, n, tc.creates)
		}
	}
}

// TestTrashKeepsItsSpace: what a terminated instance has written stays in the pool, and isn't promised to another.
func TestTrashKeepsItsSpace(t *testing.T) {
	for _, tc := range []struct {
		written int64
		creates int
	}{{0, 3}, {300, 2}, {1024, 0}} {
		s := fleetSpec(2, many("web", "small", 4)...)
		w := newWorld(t, s)
		w.resize(4096)
		w.converge(s)
		w.wrote(tc.written)
		next := edit(s, func(s *spec.Spec) {
			s.Instances = slices.Concat(s.Instances[:1], many("late", "small", 3))
			for i := range s.Instances[1:] {
				s.Instances[1+i].NICs = []spec.NIC{{Network: "network.n", Name: "other"}} // no rename
			}
		})
		if p := w.plan(next, Options{}); p.Summary.Terminate != 3 || p.Summary.Create != tc.creates {
			t.Errorf("%d MiB written: %+v, want %d created; %+v", tc.written, p.Summary, tc.creates, p.Errors)
		}
	}
}
