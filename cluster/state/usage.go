package state

import (
	"fmt"

	"github.com/novaplan/novaplan/spec"
)

// Plus adds two uses of a host.
func (u Usage) Plus(v Usage) Usage {
	return Usage{
		VCPUs:     u.VCPUs + v.VCPUs,
		MemoryMiB: u.MemoryMiB + v.MemoryMiB,
		DiskMiB:   u.DiskMiB + v.DiskMiB,
		Instances: u.Instances + v.Instances,
		IOOps:     u.IOOps + v.IOOps,
	}
}

// Minus takes one use of a host away from another.
func (u Usage) Minus(v Usage) Usage {
	return u.Plus(Usage{-v.VCPUs, -v.MemoryMiB, -v.DiskMiB, -v.Instances, -v.IOOps})
}

// Usage is what one instance of this size takes of its host.
func (s Size) Usage() Usage {
	return Usage{VCPUs: s.VCPUs, MemoryMiB: s.MemoryMiB, DiskMiB: s.TotalDiskMiB(), Instances: 1}
}

// UsageOf computes from scratch what is used of each host: every instance of the record where it
// is, the destination of each migration under way as well, and one I/O operation at each end of
// every build and migration under way. Host.Used is the same, kept up by Apply.
func UsageOf(st State) map[spec.Address]Usage {
	used := map[spec.Address]Usage{}
	add := func(host spec.Address, u Usage) { used[host] = used[host].Plus(u) }
	for _, in := range st.Instances.All() {
		add(in.Host, in.Size.Usage())
	}
	for _, op := range st.Operations.All() {
		for host, u := range inFlight(op) {
			add(host, u)
		}
	}
	return used
}

// PoolKey names the space of a pool: a shared one is the same on every host.
func PoolKey(host spec.Address, pool Pool) string {
	if pool.Shared {
		return keySep + pool.Dir()
	}
	return string(host) + keySep + pool.Dir()
}

// PoolUsageOf computes from scratch how many MiB are taken of each pool, by PoolKey: by every instance,
// and at the destination of each migration under way that copies local disks. State.PoolUsed is the same,
// kept up by Apply.
func PoolUsageOf(st State) map[string]int64 {
	used := map[string]int64{}
	for _, in := range st.Instances.All() {
		used[PoolKey(in.Host, in.Pool)] += in.Size.TotalDiskMiB()
	}
	for _, op := range st.Operations.All() {
		if op.Action == Migrate && (op.Phase == RunningOp || op.Phase == Revoking) && !op.Pool.Shared {
			used[PoolKey(op.To, op.Pool)] += op.Size.TotalDiskMiB()
		}
	}
	return used
}

// inFlight is what a running operation takes of hosts beyond the instance where it is recorded.
func inFlight(op *Operation) map[spec.Address]Usage {
	if op.Phase != RunningOp && op.Phase != Revoking {
		return nil
	}
	switch op.Action {
	case Create:
		return map[spec.Address]Usage{op.To: {IOOps: 1}}
	case Migrate:
		to := op.Size.Usage()
		if forgetInFlight {
			to = Usage{}
		}
		to.IOOps = 1
		return map[spec.Address]Usage{op.From: {IOOps: 1}, op.To: to}
	}
	return nil
}

// Shortfall is the first resource that a host lacks for a size, in Nova's filter order.
type Shortfall struct {
	Filter  string // ram, disk, core, num_instances
	Pool    string // of disk: the directory
	Wants   int64
	Left    int64 // of Allowed; may be negative
	Total   int64 // physical, after reserved, and of disk after what isn't an instance's
	Allowed int64 // Total*Ratio, or less; see Room.AllowedMiB
	Other   int64 // of disk: what isn't an instance's
	Ratio   float64
}

// Error says it with figures: "ram: wants 4096 MiB, 2048 of 6144 left at ratio 1.5".
func (s *Shortfall) Error() string {
	unit, has, of := " MiB", "the host", ""
	switch s.Filter {
	case "core":
		unit = " vCPUs"
	case "disk":
		has, of = "pool "+s.Pool, " in pool "+s.Pool
	}
	other := OtherTakes(s.Other)
	switch {
	case s.Filter == "num_instances":
		return fmt.Sprintf("num_instances: has %d instances, the most it may have", s.Total-s.Left)
	case s.Wants > s.Total:
		return fmt.Sprintf("%s: wants %d%s, %s has %d%s", s.Filter, s.Wants, unit, has, s.Total, other)
	}
	return fmt.Sprintf("%s: wants %d%s, %d of %d left at ratio %g%s%s", s.Filter, s.Wants, unit, s.Left, s.Allowed, s.Ratio, of, other)
}

// OtherTakes says how much of a pool isn't for instances, in MiB; "" when that is nothing.
func OtherTakes(mib int64) string {
	if mib == 0 {
		return ""
	}
	return fmt.Sprintf("; trash, images and other files take %d MiB", mib)
}

// Fits checks Nova's ram and core filters and the number of instances: a size must not exceed the
// physical total, and total*ratio - used must be enough. used includes foreign domains. It returns nil
// when the size fits. A host that reports no cores passes the core check, as in Nova. Space is a pool's:
// see FitsPool.
func (e Effective) Fits(want Size, used Usage) *Shortfall {
	if s := lacks("ram", want.MemoryMiB, e.MemoryMiB, used.MemoryMiB, e.Ratios.RAM); s != nil {
		return s
	}
	if e.VCPUs > 0 {
		if s := lacks("core", int64(want.VCPUs), int64(e.VCPUs), int64(used.VCPUs), e.Ratios.CPU); s != nil {
			return s
		}
	}
	if e.MaxInstances > 0 && used.Instances >= e.MaxInstances {
		return &Shortfall{Filter: "num_instances", Wants: 1, Left: int64(e.MaxInstances - used.Instances), Total: int64(e.MaxInstances), Ratio: 1}
	}
	return nil
}

// FitsPool checks Nova's disk filter against the pool that the disks are to be in; used is what is promised of it,
// as State.PoolUsed gives it. It returns nil when the size fits.
func (e Effective) FitsPool(want Size, pool Pool, room Room, used int64) *Shortfall {
	wants, most := want.TotalDiskMiB(), room.AllowedMiB(e.Ratios.Disk)
	if wants <= room.TotalMiB && most-used >= wants {
		return nil
	}
	return &Shortfall{Filter: "disk", Pool: pool.Dir(), Wants: wants, Left: most - used, Total: room.TotalMiB,
		Allowed: most, Other: room.OtherMiB, Ratio: e.Ratios.Disk}
}

func lacks(filter string, wants, total, used int64, ratio float64) *Shortfall {
	left := allowed(total, ratio) - used
	if wants <= total && left >= wants {
		return nil
	}
	return &Shortfall{Filter: filter, Wants: wants, Left: left, Total: total, Allowed: allowed(total, ratio), Ratio: ratio}
}
