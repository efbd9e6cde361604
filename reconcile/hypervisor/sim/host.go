package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// host is one simulated host. The embedded record is what its journal keeps.
type host struct {
	hostRecord
	name    string
	target  hypervisor.Target
	domains map[string]*domain // by UUID
	names   map[string]string  // UUIDs by name
	pools   map[string]*pool   // local ones, by path

	cut         chan struct{} // closed when connections break
	queue       []func(*turn) // calls at a libvirtd that hangs
	subscribers map[*subscriber]struct{}
	consoles    map[string]chan struct{} // closed when another user takes over, by UUID
}

// hostRecord is what a host keeps beyond its domains and volumes.
type hostRecord struct {
	Condition Condition         `json:"condition,omitempty"`
	Claim     *hypervisor.Claim `json:"claim,omitempty"`
	Deaf      bool              `json:"deaf,omitempty"`
	Full      bool              `json:"full,omitempty"`
	Unmounted []string          `json:"unmounted,omitempty"`
	Unplugged []string          `json:"unplugged,omitempty"` // names of bridges and networks that are gone
}

func newHost(name string) *host {
	h := &host{
		name:    name,
		domains: map[string]*domain{},
		names:   map[string]string{},
		pools:   map[string]*pool{},
		cut:     make(chan struct{}),
	}
	h.describe(hypervisor.Target{})
	return h
}

// describe takes over what target says the host has.
func (h *host) describe(target hypervisor.Target) {
	if target.VCPUs <= 0 {
		target.VCPUs = DefaultVCPUs
	}
	if target.MemoryMiB <= 0 {
		target.MemoryMiB = DefaultMemoryMiB
	}
	if target.DiskMiB <= 0 {
		target.DiskMiB = DefaultDiskMiB
	}
	h.target = target
}

// disconnect breaks all connections to the host.
func (h *host) disconnect() {
	close(h.cut)
	h.cut = make(chan struct{})
}

// HostInfo reads what the host is: what its target's capabilities say, else a small modern QEMU host.
func (c *conn) HostInfo(ctx context.Context) (hypervisor.HostInfo, error) {
	return call(ctx, c, "HostInfo", func(*turn) (hypervisor.HostInfo, error) { return c.host.info(), nil })
}

func (h *host) info() hypervisor.HostInfo {
	caps := h.target.Capabilities
	say := func(key, fallback string) string {
		if v := caps[key]; v != "" {
			return v
		}
		return fallback
	}
	model := say("cpu_model", defaultCPU)
	return hypervisor.HostInfo{
		Hostname: h.name, UUID: hostUUID(h.name), Arch: say("arch", "x86_64"),
		CPUs: h.target.VCPUs, MemoryMiB: h.target.MemoryMiB,
		CPUModel: model, CPU: model,
		VirtTypes:         []string{"kvm", "qemu"},
		HypervisorType:    say("hypervisor_type", "QEMU"),
		HypervisorVersion: version(say("hypervisor_version", ""), 7_002_000),
		LibvirtVersion:    version(say("libvirt_version", ""), 9_000_000),
		Machine:           say("machine", "pc-q35-7.2"),
		Capabilities:      maps.Clone(caps),
	}
}

// version reads "7.2.0" or "7002000".
func version(s string, fallback int) int {
	parts := strings.Split(s, ".")
	if len(parts) == 1 {
		if n, err := strconv.Atoi(s); err == nil {
			return n
		}
		return fallback
	}
	total := 0
	for i := range 3 {
		n := 0
		if i < len(parts) {
			var err error
			if n, err = strconv.Atoi(parts[i]); err != nil {
				return fallback
			}
		}
		total = total*1000 + n
	}
	return total
}

// Networks lists Options.Networks, or else br0, default and whatever its domains are plugged into.
func (c *conn) Networks(ctx context.Context) ([]hypervisor.Network, error) {
	return call(ctx, c, "Networks", func(t *turn) ([]hypervisor.Network, error) {
		if t.w.opts.Networks != nil {
			return slices.DeleteFunc(slices.Clone(t.w.opts.Networks), c.host.lacks), nil
		}
		found := map[hypervisor.Network]bool{
			{Kind: hypervisor.NetworkBridge, Name: "br0", Active: true}:      true,
			{Kind: hypervisor.NetworkLibvirt, Name: "default", Active: true}: true,
		}
		for _, d := range c.host.domains {
			for _, nic := range d.Def.NICs {
				found[hypervisor.Network{Kind: nic.Kind, Name: nic.Source, Active: true}] = true
			}
		}
		maps.DeleteFunc(found, func(n hypervisor.Network, _ bool) bool { return c.host.lacks(n) })
		return slices.SortedFunc(maps.Keys(found), func(a, b hypervisor.Network) int {
			return strings.Compare(string(a.Kind)+a.Name, string(b.Kind)+b.Name)
		}), nil
	})
}

// lacks reports whether a network of the host was taken away.
func (h *host) lacks(n hypervisor.Network) bool { return slices.Contains(h.Unplugged, n.Name) }

// CPU models that can be compared are the x86-64 levels: defaultCPU[:len-1] and a digit.
const (
	defaultCPU = "x86-64-v3"
	cpuLevels  = "x86-64-v"
)

// cpuLevel returns the level of a CPU model, and whether it has one.
func cpuLevel(model string) (int, bool) {
	digits, ok := strings.CutPrefix(model, cpuLevels)
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil
}

// BaselineCPU returns the lowest x86-64 level among cpus. Other models only match themselves.
func (c *conn) BaselineCPU(ctx context.Context, cpus []string) (string, error) {
	cpus = slices.Clone(cpus)
	return call(ctx, c, "BaselineCPU", func(*turn) (string, error) {
		if len(cpus) == 0 {
			return "", fmt.Errorf("%w: no CPUs to compare", hypervisor.ErrRefused)
		}
		base := cpus[0]
		for _, cpu := range cpus[1:] {
			a, comparable := cpuLevel(base)
			b, alsoComparable := cpuLevel(cpu)
			switch {
			case base == cpu:
			case !comparable || !alsoComparable:
				return "", fmt.Errorf("%w: CPUs %s and %s have nothing in common", hypervisor.ErrRefused, base, cpu)
			case b < a:
				base = cpu
			}
		}
		return base, nil
	})
}

// runsCPU reports whether a guest with that CPU definition can run on the host.
func (h *host) runsCPU(cpu string) bool {
	own := h.info().CPU
	want, ok := cpuLevel(cpu)
	have, comparable := cpuLevel(own)
	return cpu == "" || cpu == own || ok && comparable && want <= have
}

// CheckPeer tests that the peer is a simulated host with power and a live libvirtd.
func (c *conn) CheckPeer(ctx context.Context, peerURI string) error {
	_, err := call(ctx, c, "CheckPeer", func(t *turn) (none, error) {
		_, err := t.w.peer(c.host, peerURI)
		return none{}, err
	})
	return err
}

// peer finds another host as h reaches it. Hosts reach each other also when controllers don't reach
// them.
func (w *World) peer(h *host, uri string) (*host, error) {
	name, err := hostName(uri)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", hypervisor.ErrRefused, err)
	}
	peer := w.host(name)
	switch {
	case peer == h:
		return nil, fmt.Errorf("%w: %s is this host", hypervisor.ErrRefused, name)
	case peer.Condition == Down || peer.Condition == Hung:
		return nil, fmt.Errorf("%w: peer %s does not answer", hypervisor.ErrRefused, name)
	}
	return peer, nil
}

// GetClaim returns the host's claim.
func (c *conn) GetClaim(ctx context.Context) (hypervisor.Claim, error) {
	return call(ctx, c, "GetClaim", func(*turn) (hypervisor.Claim, error) {
		if c.host.Claim == nil {
			return hypervisor.Claim{}, fmt.Errorf("claim: %w", hypervisor.ErrNotFound)
		}
		return *c.host.Claim, nil
	})
}

// SetClaim claims the host unless another cluster has.
func (c *conn) SetClaim(ctx context.Context, claim hypervisor.Claim) error {
	_, err := call(ctx, c, "SetClaim", func(t *turn) (none, error) {
		if err := c.host.claimedByOther(claim.Cluster); err != nil {
			return none{}, err
		}
		c.host.Claim = &claim
		t.changedHost(c.host)
		return none{}, nil
	})
	return err
}

// ReleaseClaim removes that cluster's claim.
func (c *conn) ReleaseClaim(ctx context.Context, clusterID string) error {
	_, err := call(ctx, c, "ReleaseClaim", func(t *turn) (none, error) {
		if c.host.Claim == nil {
			return none{}, fmt.Errorf("claim: %w", hypervisor.ErrNotFound)
		}
		if err := c.host.claimedByOther(clusterID); err != nil {
			return none{}, err
		}
		c.host.Claim = nil
		t.changedHost(c.host)
		return none{}, nil
	})
	return err
}

func (h *host) claimedByOther(cluster string) error {
	if h.Claim == nil || h.Claim.Cluster == cluster {
		return nil
	}
	return fmt.Errorf("%w: cluster %s (fleet %s, epoch %d)",
		hypervisor.ErrClaimed, h.Claim.Cluster, h.Claim.Fleet, h.Claim.Epoch)
}
