package state

import (
	"math"

	"github.com/novaplan/novaplan/spec"
)

// Nova's defaults: cpu_allocation_ratio, ram_allocation_ratio and disk_allocation_ratio of the
// classic scheduler, max_io_ops_per_host, max_instances_per_host.
const (
	DefaultCPURatio     = 16.0
	DefaultRAMRatio     = 1.5
	DefaultDiskRatio    = 1.0
	DefaultMaxIOOps     = 8
	DefaultMaxInstances = 50

	DefaultParallelPerHost = 2
	DefaultParallelTotal   = 8
)

// Effective is what a host can take, once the spec's overrides, reserved amounts and ratios are
// applied. The planner and Start use the same one.
type Effective struct {
	VCPUs        int   // physical after reserved
	MemoryMiB    int64 // physical after reserved
	DiskMiB      int64 // sum of the pools, after reserved: for people; what fits is a matter of one pool, see Room
	Ratios       spec.Ratios
	MaxIOOps     int
	MaxInstances int
}

// Limits returns what host can take, given its recorded inventory (nil: none yet). A ratio or limit
// comes from the host, else the smallest of its aggregates, else the scheduler block, else Nova.
func Limits(desired *Desired, host spec.Address, inv *Inventory) Effective {
	e := desired.policy(host)
	if inv != nil {
		e.VCPUs, e.MemoryMiB = inv.VCPUs, inv.MemoryMiB
		for _, p := range inv.Pools {
			e.DiskMiB += p.CapacityMiB
		}
	}
	h := desired.host(host)
	if h == nil {
		return e
	}
	if c := h.Capacity; c != nil {
		override(&e.VCPUs, c.VCPUs)
		override(&e.MemoryMiB, int64(c.RAM))
		override(&e.DiskMiB, int64(c.Disk))
	}
	e.VCPUs = max(0, e.VCPUs-h.ReservedCPUs)
	e.MemoryMiB = max(0, e.MemoryMiB-int64(h.ReservedMemory))
	e.DiskMiB = max(0, e.DiskMiB-int64(h.ReservedDisk))
	return e
}

// AllowedVCPUs is total*ratio, rounded down: the sum of vCPUs that may be placed.
func (e Effective) AllowedVCPUs() int64 { return allowed(int64(e.VCPUs), e.Ratios.CPU) }

// AllowedMemoryMiB is total*ratio, rounded down.
func (e Effective) AllowedMemoryMiB() int64 { return allowed(e.MemoryMiB, e.Ratios.RAM) }

// AllowedDiskMiB is total*ratio, rounded down.
func (e Effective) AllowedDiskMiB() int64 { return allowed(e.DiskMiB, e.Ratios.Disk) }

// allowed multiplies and rounds in two steps, so that no compiler fuses them with a subtraction and
// every machine finds the same.
func allowed(total int64, ratio float64) int64 {
	product := float64(float64(total) * ratio)
	return int64(math.Floor(product))
}

// policy is the part of Effective that only the spec decides.
func (d *Desired) policy(host spec.Address) Effective {
	if d == nil || d.Spec == nil {
		return Effective{Ratios: defaultRatios, MaxIOOps: DefaultMaxIOOps, MaxInstances: DefaultMaxInstances}
	}
	if p, ok := d.policies[host]; ok {
		return p
	}
	return fleetPolicy(d.Spec.Scheduler)
}

func (d *Desired) host(address spec.Address) *spec.Host {
	if d == nil || d.Index == nil {
		return nil
	}
	return d.Index.Hosts[address]
}

var defaultRatios = spec.Ratios{CPU: DefaultCPURatio, RAM: DefaultRAMRatio, Disk: DefaultDiskRatio}

func fleetPolicy(s spec.Scheduler) Effective {
	e := Effective{Ratios: defaultRatios, MaxIOOps: DefaultMaxIOOps, MaxInstances: DefaultMaxInstances}
	overrideRatios(&e.Ratios, s.Ratios)
	override(&e.MaxIOOps, s.MaxIOOps)
	override(&e.MaxInstances, s.MaxInstances)
	return e
}

// hostPolicies resolves ratios and limits of every host that an aggregate or the host itself gives
// some; the others have the fleet's.
func hostPolicies(s *spec.Spec) map[spec.Address]Effective {
	fleet := fleetPolicy(s.Scheduler)
	smallest := map[spec.Address]Effective{}
	for i := range s.Aggregates {
		a := &s.Aggregates[i]
		for _, h := range a.Hosts {
			e := smallest[h]
			lower(&e.Ratios.CPU, a.Ratios.CPU)
			lower(&e.Ratios.RAM, a.Ratios.RAM)
			lower(&e.Ratios.Disk, a.Ratios.Disk)
			lower(&e.MaxIOOps, a.MaxIOOps)
			lower(&e.MaxInstances, a.MaxInstances)
			smallest[h] = e
		}
	}
	policies := make(map[spec.Address]Effective, len(smallest))
	for i := range s.Hosts {
		h := &s.Hosts[i]
		own, aggregated := smallest[h.Address]
		if !aggregated && h.Ratios == (spec.Ratios{}) {
			continue
		}
		e := fleet
		overrideRatios(&e.Ratios, own.Ratios)
		overrideRatios(&e.Ratios, h.Ratios)
		override(&e.MaxIOOps, own.MaxIOOps)
		override(&e.MaxInstances, own.MaxInstances)
		policies[h.Address] = e
	}
	return policies
}

func overrideRatios(r *spec.Ratios, by spec.Ratios) {
	override(&r.CPU, by.CPU)
	override(&r.RAM, by.RAM)
	override(&r.Disk, by.Disk)
}

// override replaces v by a value that is set.
func override[T int | int64 | float64](v *T, by T) {
	if by != 0 {
		*v = by
	}
}

// lower keeps the smallest of the values that are set.
func lower[T int | float64](v *T, by T) {
	if by != 0 && (*v == 0 || by < *v) {
		*v = by
	}
}
