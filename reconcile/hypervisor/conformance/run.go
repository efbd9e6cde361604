package conformance

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// Fixture is what a driver's test brings along. The suite cleans up what it makes.
type Fixture struct {
	Driver hypervisor.Driver
	// Hosts are two hosts that can migrate to each other.
	Hosts [2]hypervisor.Target
	// Nobody is a target at which nothing answers.
	Nobody hypervisor.Target

	SharedPool  hypervisor.Pool // both hosts see it
	LocalPool   hypervisor.Pool // each host has its own at that path
	MissingPool hypervisor.Pool // shared, and its directory doesn't exist
	Bridge      string          // a bridge that both hosts have; "" skips NICs

	VirtType string // of the guests
	Arch     string
}

// Run runs the suite. open is called once for each group of checks.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	groups := []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"Facts", facts},
		{"Unreachable", unreachable},
		{"Storage", storage},
		{"Transfers", transfers},
		{"Define", define},
		{"Power", power},
		{"Save", save},
		{"Undefine", undefine},
		{"Stamps", stamps},
		{"Claims", claims},
		{"Console", console},
		{"Events", events},
		{"MigrateShared", migrateShared},
		{"MigrateCopy", migrateCopy},
		{"MigratePaused", migratePaused},
		{"MigrateAbort", migrateAbort},
		{"MigrateRefused", migrateRefused},
	}
	for _, group := range groups {
		t.Run(group.name, func(t *testing.T) { group.run(t, newSuite(t, open(t))) })
	}
}

// patience is how long the suite waits for what a hypervisor does in its own time.
const patience = 60 * time.Second

// suite is one group's view: both hosts, opened.
type suite struct {
	Fixture
	a, b hypervisor.Host
}

func newSuite(t *testing.T, f Fixture) *suite {
	t.Helper()
	s := &suite{Fixture: f}
	s.a = s.open(t, f.Hosts[0])
	s.b = s.open(t, f.Hosts[1])
	return s
}

func (s *suite) open(t *testing.T, target hypervisor.Target) hypervisor.Host {
	t.Helper()
	host, err := s.Driver.Open(t.Context(), target)
	must(t, err)
	t.Cleanup(func() {
		if err := host.Close(); err != nil {
			t.Errorf("close %s: %v", target.Name, err)
		}
	})
	return host
}

// definition is a small guest, with a name and UUID of its own, that vanishes with the test.
func (s *suite) definition(t *testing.T, disks ...hypervisor.Disk) hypervisor.Definition {
	t.Helper()
	id := uuid.NewString()
	t.Cleanup(func() { s.erase(t, id) })
	return hypervisor.Definition{
		UUID: id,
		Name: "np-" + id[:8] + "-conformance",
		Stamp: hypervisor.Stamp{
			Cluster: uuid.NewString(), Fleet: "test", Stack: "s", Address: "instance.web[2]",
			Instance: id, Generation: 7, Request: "r1", Record: `{"flavor":"s"}`,
		},
		VirtType: s.VirtType, Arch: s.Arch, VCPUs: 1, MemoryMiB: 64, Disks: disks,
	}
}

// defined is a guest that is defined on host a.
func (s *suite) defined(t *testing.T, disks ...hypervisor.Disk) hypervisor.Definition {
	t.Helper()
	def := s.definition(t, disks...)
	must(t, s.a.DefineDomain(t.Context(), def))
	return def
}

// running is a guest that runs on host a.
func (s *suite) running(t *testing.T, disks ...hypervisor.Disk) hypervisor.Definition {
	t.Helper()
	def := s.defined(t, disks...)
	must(t, s.a.StartDomain(t.Context(), def.UUID))
	return def
}

// erase removes a domain from both hosts, whatever it does there.
func (s *suite) erase(t *testing.T, id string) {
	ctx := context.WithoutCancel(t.Context())
	for _, host := range []hypervisor.Host{s.a, s.b} {
		if err := host.DestroyDomain(ctx, id); err != nil && !errors.Is(err, hypervisor.ErrState) && !errors.Is(err, hypervisor.ErrNotFound) {
			t.Errorf("clean up: %v", err)
		}
		if err := host.UndefineDomain(ctx, id); err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
			t.Errorf("clean up: %v", err)
		}
	}
}

// volume makes a volume on a host that vanishes with the test.
func (s *suite) volume(t *testing.T, host hypervisor.Host, pool hypervisor.Pool, spec hypervisor.VolumeSpec) hypervisor.Volume {
	t.Helper()
	_, err := host.EnsurePool(t.Context(), pool)
	must(t, err)
	volume, err := host.CreateVolume(t.Context(), pool, spec)
	must(t, err)
	s.removeLater(t, host, pool, spec.Name)
	return volume
}

func (s *suite) removeLater(t *testing.T, host hypervisor.Host, pool hypervisor.Pool, name string) {
	t.Cleanup(func() {
		err := host.DeleteVolume(context.WithoutCancel(t.Context()), pool, name)
		if err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
			t.Errorf("clean up: %v", err)
		}
	})
}

// volumeName is a name that no other test uses.
func volumeName(suffix string) string { return fmt.Sprintf("np-%s-%s", uuid.NewString(), suffix) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want checks the sentinel that a caller decides on.
func want(t *testing.T, what string, err, sentinel error) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Errorf("%s: got error %v, want %v", what, err, sentinel)
	}
}

// power checks what a domain does.
func (s *suite) wantPower(t *testing.T, host hypervisor.Host, id string, power hypervisor.Power) hypervisor.Domain {
	t.Helper()
	domain, err := host.GetDomain(t.Context(), id)
	must(t, err)
	if domain.Power != power {
		t.Errorf("power of %s: got %s, want %s", id, domain.Power, power)
	}
	return domain
}

// eventually waits until done says yes.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}
