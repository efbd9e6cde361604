package planner

import (
	"maps"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
	"github.com/novaplan/novaplan/spec"
)

// candidate describes a host to placement.
func (c *computation) candidate(h *host, aggregates []*spec.Aggregate, used map[string]int64) *placement.Host {
	inv := h.inventory()
	p := &placement.Host{
		Address: h.address(), Name: h.name(), Zone: h.zone, Refusal: h.refusal,
		Arch: inv.Arch, VirtTypes: inv.VirtTypes, Capabilities: capabilities(h),
		Bridges: inv.Bridges, Networks: inv.Networks, Aggregates: aggregates,
		Limits: state.Limits(c.desired, h.address(), inv),
	}
	for i := range inv.Pools {
		p.Pools = append(p.Pools, c.candidatePool(h, inv.Pools[i].Path, p.Limits.Ratios.Disk, used))
	}
	if h.spec != nil {
		p.Mappings = h.spec.BridgeMappings
	} else {
		p.Refusal = "left the spec"
	}
	if a := p.Capabilities["arch"]; a != "" {
		p.Arch = a
	}
	if h.record != nil {
		p.FailedBuilds = h.record.FailedBuilds
	}
	return p
}

// candidatePool describes a pool of a host to placement. used is by state.PoolKey.
func (c *computation) candidatePool(h *host, path string, ratio float64, used map[string]int64) placement.Pool {
	pool := state.Pool{Path: path, Shared: c.shared[path]}
	room := state.RoomOf(c.desired, h.address(), h.inventory(), pool)
	return placement.Pool{
		Path: pool.Dir(), Shared: pool.Shared, Room: room, AllowedMiB: room.AllowedMiB(ratio),
		UsedMiB: used[state.PoolKey(h.address(), pool)],
	}
}

// capabilities merges what a host reports with what the spec adds or overrides.
func capabilities(h *host) map[string]string {
	inv := h.inventory()
	if h.spec == nil || len(h.spec.Capabilities) == 0 && inv.Capabilities["arch"] != "" {
		return inv.Capabilities
	}
	merged := maps.Clone(inv.Capabilities)
	if merged == nil {
		merged = map[string]string{}
	}
	if merged["arch"] == "" {
		merged["arch"] = inv.Arch
	}
	maps.Copy(merged, h.spec.Capabilities)
	return merged
}
