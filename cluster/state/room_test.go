package state

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/spec"
)

// TestRoom: what others take of a pool isn't promised to instances, what is reserved is set aside for them, and what
// a capacity block leaves out they may have.
func TestRoom(t *testing.T) {
	for _, tc := range []struct {
		name           string
		host           spec.Host
		pool           Pool
		seen           PoolInventory
		total, allowed int64
		ratio          float64
		want, used     int64
		says           string
	}{
		{name: "an empty pool", seen: PoolInventory{CapacityMiB: 1000}, ratio: 1, total: 1000, allowed: 1000, want: 1000},
		{name: "foreign files and trash", seen: PoolInventory{CapacityMiB: 1000, OtherMiB: 300}, ratio: 1, total: 700, allowed: 700, want: 500, used: 300,
			says: "disk: wants 500 MiB, 400 of 700 left at ratio 1 in pool /p; trash, images and other files take 300 MiB"},
		{name: "larger than what is left of it", seen: PoolInventory{CapacityMiB: 1000, OtherMiB: 999}, ratio: 1, total: 1, allowed: 1, want: 20,
			says: "disk: wants 20 MiB, pool /p has 1; trash, images and other files take 999 MiB"},
		{name: "more than there is", seen: PoolInventory{CapacityMiB: 1000, OtherMiB: 1200}, ratio: 2, total: 0, allowed: 0, want: 0},
		{name: "reserved for just that", host: spec.Host{ReservedDisk: 400}, seen: PoolInventory{CapacityMiB: 1000, OtherMiB: 300},
			ratio: 1, total: 600, allowed: 600, want: 600},
		{name: "reserved is not enough", host: spec.Host{ReservedDisk: 400}, seen: PoolInventory{CapacityMiB: 1000, OtherMiB: 500},
			ratio: 1, total: 500, allowed: 500, want: 500},
		{name: "nothing of a shared pool is reserved", host: spec.Host{ReservedDisk: 400}, pool: Pool{Path: "/p", Shared: true},
			seen: PoolInventory{CapacityMiB: 1000, OtherMiB: 300}, ratio: 1, total: 700, allowed: 700, want: 700},
		{name: "counts for less than it is", host: spec.Host{Capacity: &spec.Capacity{Disk: 500}}, seen: PoolInventory{CapacityMiB: 1000, OtherMiB: 300},
			ratio: 1, total: 500, allowed: 500, want: 500},
		{name: "not even so much is free", host: spec.Host{Capacity: &spec.Capacity{Disk: 500}}, seen: PoolInventory{CapacityMiB: 1000, OtherMiB: 700},
			ratio: 1, total: 300, allowed: 300, want: 300},
		{name: "overcommitted and empty", seen: PoolInventory{CapacityMiB: 1000}, ratio: 4, total: 1000, allowed: 4000, want: 900, used: 3100},
		{name: "overcommitted and half written", seen: PoolInventory{CapacityMiB: 1000, WrittenMiB: 500}, ratio: 4, total: 1000, allowed: 2500, want: 1000, used: 1500},
		{name: "overcommitted and full", seen: PoolInventory{CapacityMiB: 1000, WrittenMiB: 695, OtherMiB: 300}, ratio: 4, total: 700, allowed: 715, want: 100, used: 700,
			says: "disk: wants 100 MiB, 15 of 715 left at ratio 4 in pool /p; trash, images and other files take 300 MiB"},
		{name: "undercommitted", seen: PoolInventory{CapacityMiB: 1000, WrittenMiB: 500}, ratio: 0.5, total: 1000, allowed: 500, want: 100, used: 400},
	} {
		h := tc.host
		h.Address = h0
		d := NewDesired(&spec.Spec{Hosts: []spec.Host{h}})
		pool := tc.pool
		if pool.Path == "" {
			pool.Path = "/p"
		}
		tc.seen.Path = "/p"
		room := RoomOf(d, h0, &Inventory{Pools: []PoolInventory{tc.seen}}, pool)
		if got := room.AllowedMiB(tc.ratio); room.TotalMiB != tc.total || got != tc.allowed {
			t.Errorf("%s: %d MiB for instances, %d may be promised, want %d and %d", tc.name, room.TotalMiB, got, tc.total, tc.allowed)
		}
		says := ""
		if s := (Effective{Ratios: spec.Ratios{Disk: tc.ratio}}).FitsPool(Size{DiskMiB: tc.want}, pool, room, tc.used); s != nil {
			says = s.Error()
		}
		if says != tc.says {
			t.Errorf("%s: %q, want %q", tc.name, says, tc.says)
		}
	}
}

// TestNothingIsPromisedOfAFullPool: whatever the ratio, no more than ratio times what is really free can be promised
// beyond what instances have written, and without overcommitment no more than is free.
func TestNothingIsPromisedOfAFullPool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.Int64Range(0, 1<<20).Draw(t, "capacity")
		other := rapid.Int64Range(0, capacity).Draw(t, "other")
		written := rapid.Int64Range(0, capacity-other).Draw(t, "written")
		ratio := rapid.Float64Range(0.1, 8).Draw(t, "ratio")
		room := RoomOf(nil, h0, &Inventory{Pools: []PoolInventory{{Path: "/p", CapacityMiB: capacity, WrittenMiB: written, OtherMiB: other}}}, Pool{Path: "/p"})
		free := capacity - other - written
		if most := room.AllowedMiB(ratio); float64(most-written) > max(float64(free)*ratio, 0)+1 || most > allowed(capacity, ratio) {
			t.Fatalf("%d MiB may be promised of %d, %d written, %d free", most, capacity, written, free)
		}
	})
}
