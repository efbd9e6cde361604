package state

import (
	"github.com/novaplan/novaplan/spec"
)

// Room is the space of one pool, in MiB, as planning counts it.
//
// What instances were promised counts with its virtual size, which is the disk filter's "used". Everything else
// (trash, cached images, disks of foreign domains, other files of the file system) counts with what it really
// takes, and can't be overcommitted. reserved_host_disk is set aside for just that, so what is reserved already
// holds it as far as it goes.
type Room struct {
	SizeMiB    int64 // of the pool, or of the capacity block, less what is reserved
	TotalMiB   int64 // what of it instances can have: nothing else takes it
	WrittenMiB int64 // what of it their disks take already
	OtherMiB   int64 // what else takes space of the pool
}

// RoomOf returns the space of a pool for a host: what the host reports of it, less reserved_host_disk and overridden
// by the capacity block when it is the host's own. A shared pool is as large as it is. A host that doesn't have
// the pool has no room in it.
func RoomOf(desired *Desired, host spec.Address, inv *Inventory, pool Pool) Room {
	var seen PoolInventory
	if inv != nil {
		for i := range inv.Pools {
			if (Pool{Path: inv.Pools[i].Path}).Dir() == pool.Dir() {
				seen = inv.Pools[i]
			}
		}
	}
	size, reserved := seen.CapacityMiB, int64(0)
	if h := desired.host(host); !pool.Shared && h != nil && size > 0 {
		if h.Capacity != nil {
			override(&size, int64(h.Capacity.Disk))
		}
		reserved = int64(h.ReservedDisk)
	}
	r := Room{SizeMiB: max(0, size-reserved), OtherMiB: seen.OtherMiB}
	// Of a pool that counts for less than it is, others may have what doesn't count.
	r.TotalMiB = max(0, min(r.SizeMiB, max(size, seen.CapacityMiB)-seen.OtherMiB))
	r.WrittenMiB = min(seen.WrittenMiB, r.TotalMiB)
	return r
}

// AllowedMiB is how much may be promised of the pool in all: total*ratio, rounded down, as in Nova, but what is
// written already can't be promised a second time. So a pool that is nearly full takes nothing more, whatever
// the ratio.
func (r Room) AllowedMiB(ratio float64) int64 {
	return min(allowed(r.TotalMiB, ratio), r.WrittenMiB+allowed(r.TotalMiB-r.WrittenMiB, ratio))
}
