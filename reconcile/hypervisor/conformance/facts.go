package conformance

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

func facts(t *testing.T, s *suite) {
	ctx := t.Context()
	info, err := s.a.HostInfo(ctx)
	must(t, err)
	other, err := s.b.HostInfo(ctx)
	must(t, err)
	if info.CPUs < 1 || info.MemoryMiB < 1 || info.Arch == "" || info.HypervisorType == "" ||
		info.HypervisorVersion < 1 || info.LibvirtVersion < 1 || info.Machine == "" {
		t.Errorf("host info is incomplete: %+v", info)
	}
	if !slices.Contains(info.VirtTypes, s.VirtType) {
		t.Errorf("virtualisation types %q don't include %s", info.VirtTypes, s.VirtType)
	}
	if info.UUID == "" || info.UUID == other.UUID {
		t.Errorf("host UUIDs %q and %q: want two different ones", info.UUID, other.UUID)
	}
	cpu, err := s.a.BaselineCPU(ctx, []string{info.CPU, other.CPU})
	must(t, err)
	if cpu == "" && info.CPU != "" {
		t.Error("the baseline of two CPUs is empty")
	}
	guest := s.definition(t)
	guest.CPU, guest.Machine = cpu, info.Machine
	must(t, s.a.DefineDomain(ctx, guest))
	must(t, s.a.StartDomain(ctx, guest.UUID)) // a guest can have that CPU
	networks, err := s.a.Networks(ctx)
	must(t, err)
	wanted := hypervisor.Network{Kind: hypervisor.NetworkBridge, Name: s.Bridge, Active: true}
	if s.Bridge != "" && !slices.Contains(networks, wanted) {
		t.Errorf("networks %+v don't include bridge %s", networks, s.Bridge)
	}
	peers(t, s)
}

func peers(t *testing.T, s *suite) {
	ctx := t.Context()
	peer := s.Hosts[1].PeerURI
	if peer == "" {
		peer = s.Hosts[1].URI
	}
	before, err := s.a.ListDomains(ctx)
	must(t, err)
	must(t, s.a.CheckPeer(ctx, peer))
	must(t, s.a.CheckPeer(ctx, peer)) // again: the first left nothing in the way
	if err := s.a.CheckPeer(ctx, s.Nobody.URI); err == nil {
		t.Error("a peer where nothing answers passes the check")
	}
	after, err := s.a.ListDomains(ctx)
	must(t, err)
	if len(after) != len(before) {
		t.Errorf("the check left %d domains, there were %d", len(after), len(before))
	}
}

func unreachable(t *testing.T, s *suite) {
	host := s.open(t, s.Nobody)
	ctx := t.Context()
	id := uuid.NewString()
	_, err := host.HostInfo(ctx)
	want(t, "host info", err, hypervisor.ErrUnreachable)
	_, err = host.ListDomains(ctx)
	want(t, "list", err, hypervisor.ErrUnreachable)
	want(t, "start", host.StartDomain(ctx, id), hypervisor.ErrUnreachable)
	want(t, "define", host.DefineDomain(ctx, s.definition(t)), hypervisor.ErrUnreachable)
	want(t, "claim", host.SetClaim(ctx, hypervisor.Claim{Cluster: id}), hypervisor.ErrUnreachable)
	_, err = host.EnsurePool(ctx, s.LocalPool)
	want(t, "pool", err, hypervisor.ErrUnreachable)
	err = host.StartDomain(ctx, id)
	if errors.Is(err, hypervisor.ErrUnknown) {
		t.Errorf("a call that was never sent has an unknown outcome: %v", err)
	}
}

func events(t *testing.T, s *suite) {
	ctx := t.Context()
	changes, err := s.a.Events(ctx)
	must(t, err)
	def := s.running(t)
	eventually(t, "event of the start", func() bool {
		select {
		case event := <-changes:
			return event.Kind == hypervisor.EventDomain && event.UUID == def.UUID
		default:
			return false
		}
	})
}
