package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/observe"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// maxPairs is how many hosts are tested each against each; in larger fleets each is tested against its
// next neighbours only.
const (
	maxPairs   = 12
	neighbours = 3
)

// Doctor checks the hosts of desired (nil: of the spec in force), and whether each can migrate to the
// others. It changes nothing. Checks are in spec order.
func (c *Controller) Doctor(ctx context.Context, desired *spec.Spec) ([]planner.Check, error) {
	defer c.hosts.looking()()
	st, s := c.rec.State(), c.desired(desired)
	d := &doctor{c: c, st: st, spec: s, infos: map[spec.Address]hypervisor.HostInfo{}}
	perHost := make([][]planner.Check, len(s.Hosts))
	d.each(len(s.Hosts), func(i int) { perHost[i] = d.host(ctx, &s.Hosts[i]) })
	pairs := d.pairs()
	perPair := make([]planner.Check, len(pairs))
	d.each(len(pairs), func(i int) { perPair[i] = d.peer(ctx, pairs[i][0], pairs[i][1]) })
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	checks := slices.Concat(perHost...)
	checks = append(checks, d.twins()...)
	checks = append(checks, d.cpus(ctx)...)
	return append(checks, perPair...), nil
}

type doctor struct {
	c    *Controller
	st   state.State
	spec *spec.Spec

	mu    sync.Mutex
	infos map[spec.Address]hypervisor.HostInfo // of hosts that answered
}

// each runs f for 0..n-1, some at once.
func (d *doctor) each(n int, f func(int)) {
	var wait sync.WaitGroup
	next := make(chan int)
	for range min(n, d.c.opts.Observe) {
		wait.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wait.Wait()
}

func check(h *spec.Host, name string, status planner.CheckStatus, detail, fix string) planner.Check {
	return planner.Check{Host: h.Address, Name: name, Status: status, Detail: detail, Fix: fix}
}

// host checks one host.
func (d *doctor) host(ctx context.Context, s *spec.Host) []planner.Check {
	h, err := d.c.hosts.get(ctx, s)
	if err != nil {
		return []planner.Check{check(s, "reachable", planner.CheckFailed, err.Error(), "correct uri in the host block")}
	}
	h = operation.Timed(h, operation.Times{Call: d.c.opts.Connect})
	info, err := h.HostInfo(ctx)
	if err != nil {
		return []planner.Check{check(s, "reachable", planner.CheckFailed, hypervisor.Why(err), "virsh -c "+s.URI+" version")}
	}
	d.mu.Lock()
	d.infos[s.Address] = info
	d.mu.Unlock()
	checks := []planner.Check{
		check(s, "reachable", planner.CheckOK, s.URI, ""),
		check(s, "libvirt", planner.CheckOK, fmt.Sprintf("libvirt %s, %s %s", version(info.LibvirtVersion), info.HypervisorType, version(info.HypervisorVersion)), ""),
		virtualisation(s, info), locks(s, info, d.spec.Pools), d.claim(ctx, s, h),
	}
	for i := range d.spec.Pools {
		checks = append(checks, d.pool(ctx, s, h, &d.spec.Pools[i]))
	}
	return append(checks, d.networks(ctx, s, h)...)
}

// version renders libvirt's way of writing 9.0.0 as 9000000.
func version(n int) string {
	return fmt.Sprintf("%d.%d.%d", n/1_000_000, n/1000%1000, n%1000)
}

func virtualisation(s *spec.Host, info hypervisor.HostInfo) planner.Check {
	const name = "virtualisation"
	usable := strings.Join(info.VirtTypes, ", ")
	switch {
	case len(info.VirtTypes) == 0:
		return check(s, name, planner.CheckFailed, "neither kvm nor qemu is usable", "apt-get install qemu-system-x86")
	case s.VirtType != "" && !slices.Contains(info.VirtTypes, s.VirtType):
		return check(s, name, planner.CheckFailed, fmt.Sprintf("virt_type = %q, usable: %s", s.VirtType, usable), "virt-host-validate qemu")
	case !slices.Contains(info.VirtTypes, "kvm"):
		return check(s, name, planner.CheckWarning, "no kvm: guests are emulated, slowly", "virt-host-validate qemu")
	}
	return check(s, name, planner.CheckOK, usable, "")
}

// locks warns where a shared pool relies on QEMU's own image locks alone.
func locks(s *spec.Host, info hypervisor.HostInfo, pools []spec.Pool) planner.Check {
	shared := slices.ContainsFunc(pools, func(p spec.Pool) bool { return p.Shared })
	switch {
	case info.LockManager != "" && info.LockManager != "nop":
		return check(s, "lock manager", planner.CheckOK, info.LockManager, "")
	case !shared:
		return check(s, "lock manager", planner.CheckOK, "none; no pool is shared", "")
	}
	return check(s, "lock manager", planner.CheckWarning, "none: on shared pools only QEMU's image locks stand between two guests and one disk",
		`set lock_manager = "lockd" in /etc/libvirt/qemu.conf and start virtlockd`)
}

func (d *doctor) claim(ctx context.Context, s *spec.Host, h hypervisor.Host) planner.Check {
	claim, err := h.GetClaim(ctx)
	switch {
	case errors.Is(err, hypervisor.ErrNotFound):
		return check(s, "claim", planner.CheckOK, "unclaimed; apply will claim it", "")
	case err != nil:
		return check(s, "claim", planner.CheckFailed, err.Error(), "")
	case claim.Cluster == d.st.ClusterID:
		return check(s, "claim", planner.CheckOK, "ours", "")
	}
	return check(s, "claim", planner.CheckFailed,
		fmt.Sprintf("belongs to cluster %s, fleet %q", claim.Cluster, claim.Fleet), "novaplan takeover")
}

func (d *doctor) pool(ctx context.Context, s *spec.Host, h hypervisor.Host, p *spec.Pool) planner.Check {
	name := "pool " + p.Path
	info, err := observe.Peek(ctx, h, hypervisor.Pool{Path: p.Path, Shared: p.Shared})
	switch {
	case errors.Is(err, hypervisor.ErrNotFound) && p.Shared:
		return check(s, name, planner.CheckFailed, "the directory is missing: is the share mounted?", "mount "+p.Path)
	case err != nil:
		return check(s, name, planner.CheckFailed, err.Error(), "ls -ld "+p.Path)
	case info.Available < info.Capacity/20:
		return check(s, name, planner.CheckWarning, fmt.Sprintf("%d of %d GiB free", info.Available>>30, info.Capacity>>30), "df -h "+p.Path)
	}
	return check(s, name, planner.CheckOK, fmt.Sprintf("%d of %d GiB free", info.Available>>30, info.Capacity>>30), "")
}

// networks checks that every network of the spec can be plugged into on the host.
func (d *doctor) networks(ctx context.Context, s *spec.Host, h hypervisor.Host) []planner.Check {
	have, err := h.Networks(ctx)
	if err != nil {
		return []planner.Check{check(s, "networks", planner.CheckFailed, err.Error(), "")}
	}
	var checks []planner.Check
	for i := range d.spec.Networks {
		n := &d.spec.Networks[i]
		kind, source, err := operation.Plug(n, s)
		name := "network " + n.Name
		switch {
		case err != nil:
			checks = append(checks, check(s, name, planner.CheckWarning, err.Error(), "add it to bridge_mappings"))
		case plugged(have, kind, source):
			checks = append(checks, check(s, name, planner.CheckOK, string(kind)+" "+source, ""))
		case kind == hypervisor.NetworkLibvirt:
			checks = append(checks, check(s, name, planner.CheckFailed, "libvirt network "+source+" is missing or not started", "virsh -c "+s.URI+" net-start "+source))
		default:
			checks = append(checks, check(s, name, planner.CheckFailed, "bridge "+source+" is missing", "ip link add "+source+" type bridge"))
		}
	}
	return checks
}

func plugged(have []hypervisor.Network, kind hypervisor.NetworkKind, source string) bool {
	return slices.ContainsFunc(have, func(n hypervisor.Network) bool {
		return n.Kind == kind && n.Name == source && (n.Active || kind == hypervisor.NetworkBridge)
	})
}
