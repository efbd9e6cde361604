package observe

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// inventory fills in what the host is. Overrides of the spec are not applied here: state.Limits and
// the planner do that, once.
func (l Look) inventory(ctx context.Context, h *spec.Host, open hypervisor.Host, info hypervisor.HostInfo, o *planner.HostObservation) error {
	inv := &o.Inventory
	inv.UUID, inv.Hostname, inv.Arch = info.UUID, info.Hostname, info.Arch
	inv.VCPUs, inv.MemoryMiB = info.CPUs, info.MemoryMiB
	inv.VirtTypes, inv.Machine, inv.CPU = info.VirtTypes, info.Machine, info.CPU
	inv.Capabilities = capabilities(info)
	inv.Verdict = verdict(h, info)
	networks, err := open.Networks(ctx)
	if err != nil {
		return err
	}
	for _, n := range networks {
		switch {
		case n.Kind == hypervisor.NetworkBridge:
			inv.Bridges = append(inv.Bridges, n.Name)
		case n.Active:
			inv.Networks = append(inv.Networks, n.Name)
		}
	}
	slices.Sort(inv.Bridges)
	slices.Sort(inv.Networks)
	if recorded := l.Recorded(h.Address); recorded != nil {
		inv.Version = recorded.Version
	}
	return nil
}

// Peek returns the size of a pool, without making it where the driver can do that.
func Peek(ctx context.Context, h hypervisor.Host, pool hypervisor.Pool) (hypervisor.PoolInfo, error) {
	if p, ok := h.(PoolPeeker); ok {
		return p.PeekPool(ctx, pool)
	}
	return h.EnsurePool(ctx, pool)
}

// capabilities are what compute_capabilities and image_properties look at: Nova's names.
func capabilities(info hypervisor.HostInfo) map[string]string {
	c := map[string]string{}
	set := func(key, value string) {
		if value != "" {
			c[key] = value
		}
	}
	set("arch", info.Arch)
	set("cpu_model", info.CPUModel)
	set("hypervisor_type", info.HypervisorType)
	set("hypervisor_hostname", info.Hostname)
	if info.HypervisorVersion > 0 {
		set("hypervisor_version", strconv.Itoa(info.HypervisorVersion))
	}
	if info.LibvirtVersion > 0 {
		set("libvirt_version", strconv.Itoa(info.LibvirtVersion))
	}
	set("virt_types", strings.Join(info.VirtTypes, ","))
	maps.Copy(c, info.Capabilities)
	return c
}

// verdict says why no guest can run there at all, "" if one can.
func verdict(h *spec.Host, info hypervisor.HostInfo) string {
	switch {
	case len(info.VirtTypes) == 0:
		return "neither kvm nor qemu is usable there"
	case h.VirtType != "" && !slices.Contains(info.VirtTypes, h.VirtType):
		return fmt.Sprintf("virt_type = %q is not usable there, only %s", h.VirtType, strings.Join(info.VirtTypes, ", "))
	}
	return ""
}

// Changed reports whether an observation says anything new about a reachable host.
func Changed(recorded *state.Host, name string, seen *planner.HostObservation) bool {
	if recorded == nil || recorded.Inventory.Version == 0 {
		return true
	}
	a, b := recorded.Inventory, seen.Inventory
	return recorded.Name != name || recorded.Claimed != seen.Claimed ||
		a.UUID != b.UUID || a.Hostname != b.Hostname || a.VCPUs != b.VCPUs || a.MemoryMiB != b.MemoryMiB ||
		a.Arch != b.Arch || a.Machine != b.Machine || a.CPU != b.CPU || a.Foreign != b.Foreign ||
		a.Owner != b.Owner || a.Verdict != b.Verdict || !slices.Equal(a.Pools, b.Pools) ||
		!slices.Equal(a.VirtTypes, b.VirtTypes) || !slices.Equal(a.Bridges, b.Bridges) ||
		!slices.Equal(a.Networks, b.Networks) || !maps.Equal(a.Capabilities, b.Capabilities)
}
