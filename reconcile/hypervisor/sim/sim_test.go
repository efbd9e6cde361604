package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

const gib = 1 << 30

var (
	localPool  = hypervisor.Pool{Path: "/var/lib/novaplan"}
	sharedPool = hypervisor.Pool{Path: "/srv/shared", Shared: true}
)

// open returns a host of the world by name.
func open(t testing.TB, w *World, name string) hypervisor.Host {
	t.Helper()
	h, err := w.Open(t.Context(), target(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func target(name string) hypervisor.Target {
	return hypervisor.Target{Name: name, URI: "sim://" + name, DiskMiB: 100 << 10}
}

// guestID derives a UUID from a guest's name.
func guestID(name string) string { return uuid.NewSHA1(uuid.Nil, []byte(name)).String() }

// place makes a guest's base image, overlay and definition on a host.
func place(t testing.TB, h hypervisor.Host, pool hypervisor.Pool, name string) hypervisor.Definition {
	t.Helper()
	disk := addDisk(t, h, pool, name)
	def := hypervisor.Definition{
		UUID: guestID(name), Name: name, VirtType: "kvm", Arch: "x86_64", VCPUs: 2, MemoryMiB: 1024,
		Stamp: hypervisor.Stamp{Cluster: "c1", Instance: guestID(name), Generation: 1},
		Disks: []hypervisor.Disk{{Path: disk, Format: "qcow2", Role: hypervisor.DiskRoot, Shared: pool.Shared}},
		NICs:  []hypervisor.NIC{{MAC: "52:54:00:00:00:01", Kind: hypervisor.NetworkBridge, Source: "br0"}},
	}
	must(t, h.DefineDomain(t.Context(), def))
	return def
}

func addDisk(t testing.TB, h hypervisor.Host, pool hypervisor.Pool, name string) string {
	t.Helper()
	ctx := t.Context()
	_, err := h.EnsurePool(ctx, pool)
	must(t, err)
	base, err := h.CreateVolume(ctx, pool, hypervisor.VolumeSpec{Name: "base", Format: "qcow2", Bytes: gib})
	if err != nil && !errors.Is(err, hypervisor.ErrExists) {
		t.Fatal(err)
	}
	if base, err = h.GetVolume(ctx, pool, "base"); err != nil {
		t.Fatal(err)
	}
	v, err := h.CreateVolume(ctx, pool, hypervisor.VolumeSpec{
		Name: name + ".qcow2", Format: "qcow2", Bytes: 10 * gib, BackingPath: base.Path, BackingFormat: "qcow2",
	})
	must(t, err)
	return v.Path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails the test unless err is of that kind; nil wants success.
func want(t testing.TB, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) || kind == nil && err != nil {
		t.Errorf("%s: %v, want %v", what, err, kind)
	}
}

// power returns what a domain does, "" when there is none.
func power(t testing.TB, w *World, host, uuid string) hypervisor.Power {
	t.Helper()
	d, err := w.Behind(host).GetDomain(context.Background(), uuid)
	if errors.Is(err, hypervisor.ErrNotFound) {
		return ""
	}
	must(t, err)
	return d.Power
}

func wantPower(t testing.TB, w *World, host, uuid string, p hypervisor.Power) {
	t.Helper()
	if got := power(t, w, host, uuid); got != p {
		t.Errorf("domain %s on %s is %q, want %q", uuid[:8], host, got, p)
	}
}

// wantSound fails the test when the world has seen a violation.
func wantSound(t testing.TB, w *World) {
	t.Helper()
	if v := w.Truth().Violations; len(v) > 0 {
		t.Errorf("violations: %+v", v)
	}
}

func TestOpenRefusesWrongTargets(t *testing.T) {
	w := New(Options{})
	for _, uri := range []string{"", "sim://", "qemu+tcp://a/system", "sim:a", "sim://%zz"} {
		if _, err := w.Open(t.Context(), hypervisor.Target{URI: uri}); err == nil {
			t.Errorf("Open(%q) succeeded", uri)
		}
	}
}

func TestHostInfoFollowsTarget(t *testing.T) {
	w := New(Options{})
	h, err := w.Open(t.Context(), hypervisor.Target{
		URI: "sim://a1", VCPUs: 3, MemoryMiB: 4096,
		Capabilities: map[string]string{"arch": "aarch64", "hypervisor_version": "8.1.2", "x": "y"},
	})
	must(t, err)
	info, err := h.HostInfo(t.Context())
	must(t, err)
	if info.Hostname != "a1" || info.CPUs != 3 || info.MemoryMiB != 4096 || info.Arch != "aarch64" ||
		info.HypervisorVersion != 8_001_002 || info.Capabilities["x"] != "y" {
		t.Errorf("HostInfo = %+v", info)
	}
	must(t, h.Close())
	_, err = h.HostInfo(t.Context())
	want(t, "call on a closed connection", err, hypervisor.ErrUnreachable)
}

func TestBaselineCPU(t *testing.T) {
	h := open(t, New(Options{}), "a1")
	for _, tc := range []struct {
		cpus string
		want string
		err  error
	}{
		{"x86-64-v3 x86-64-v2 x86-64-v4", "x86-64-v2", nil},
		{"odd odd", "odd", nil},
		{"odd x86-64-v2", "", hypervisor.ErrRefused},
		{"", "", hypervisor.ErrRefused},
	} {
		got, err := h.BaselineCPU(t.Context(), strings.Fields(tc.cpus))
		if got != tc.want {
			t.Errorf("baseline of %s is %q, want %q", tc.cpus, got, tc.want)
		}
		want(t, tc.cpus, err, tc.err)
	}
}

func TestClaimIsCompareAndSet(t *testing.T) {
	w := New(Options{})
	h, ctx := open(t, w, "a1"), t.Context()
	_, err := h.GetClaim(ctx)
	want(t, "no claim", err, hypervisor.ErrNotFound)
	must(t, h.SetClaim(ctx, hypervisor.Claim{Cluster: "one", Epoch: 1}))
	must(t, h.SetClaim(ctx, hypervisor.Claim{Cluster: "one", Epoch: 2}))
	want(t, "foreign claim", h.SetClaim(ctx, hypervisor.Claim{Cluster: "two"}), hypervisor.ErrClaimed)
	want(t, "foreign release", h.ReleaseClaim(ctx, "two"), hypervisor.ErrClaimed)
	if c, err := open(t, w, "a1").GetClaim(ctx); err != nil || c.Epoch != 2 {
		t.Errorf("claim = %+v, %v", c, err)
	}
	must(t, h.ReleaseClaim(ctx, "one"))
	want(t, "second release", h.ReleaseClaim(ctx, "one"), hypervisor.ErrNotFound)
}

func TestDefineKeepsNamesAndUUIDsUnique(t *testing.T) {
	w := New(Options{})
	h, ctx := open(t, w, "a1"), t.Context()
	def := place(t, h, localPool, "web")
	other := def
	other.UUID = guestID("other")
	want(t, "second domain of a name", h.DefineDomain(ctx, other), hypervisor.ErrExists)
	renamed := def
	renamed.Name = "renamed"
	want(t, "second name of a UUID", h.DefineDomain(ctx, renamed), hypervisor.ErrExists)

	must(t, h.StartDomain(ctx, def.UUID))
	def.MemoryMiB = 2048
	must(t, h.DefineDomain(ctx, def))
	if d, _ := h.GetDomain(ctx, def.UUID); d.MemoryMiB != 1024 {
		t.Errorf("a redefined running domain has %d MiB, want the old 1024 until its next start", d.MemoryMiB)
	}
	must(t, h.DestroyDomain(ctx, def.UUID))
	must(t, h.StartDomain(ctx, def.UUID))
	if d, _ := h.GetDomain(ctx, def.UUID); d.MemoryMiB != 2048 {
		t.Errorf("after a restart it has %d MiB, want 2048", d.MemoryMiB)
	}
}

func TestStateErrors(t *testing.T) {
	h, ctx := open(t, New(Options{}), "a1"), t.Context()
	id := place(t, h, localPool, "web").UUID
	calls := map[string]func() error{
		"start":    func() error { return h.StartDomain(ctx, id) },
		"shutdown": func() error { return h.ShutdownDomain(ctx, id) },
		"reboot":   func() error { return h.RebootDomain(ctx, id) },
		"destroy":  func() error { return h.DestroyDomain(ctx, id) },
		"pause":    func() error { return h.PauseDomain(ctx, id) },
		"resume":   func() error { return h.ResumeDomain(ctx, id) },
		"save":     func() error { return h.SaveDomain(ctx, id) },
		"undefine": func() error { return h.UndefineDomain(ctx, id) },
		"abort":    func() error { return h.AbortMigration(ctx, id) },
	}
	refused := func(when string, names ...string) {
		t.Helper()
		for _, name := range names {
			want(t, name+" when "+when, calls[name](), hypervisor.ErrState)
		}
	}
	refused("off", "shutdown", "reboot", "destroy", "pause", "resume", "save", "abort")
	must(t, calls["start"]())
	refused("running", "start", "resume", "undefine", "abort")
	must(t, calls["pause"]())
	refused("paused", "start", "pause", "undefine")
	must(t, calls["resume"]())
	must(t, calls["save"]())
	refused("saved", "shutdown", "destroy", "pause")
	must(t, calls["start"]())
	must(t, calls["shutdown"]())
	must(t, calls["undefine"]())
	for name, f := range calls {
		want(t, name+" when undefined", f(), hypervisor.ErrNotFound)
	}
}

func TestListIsSortedAndForeignDomainsHaveNoStamp(t *testing.T) {
	h, ctx := open(t, New(Options{}), "a1"), t.Context()
	for _, name := range []string{"c", "a", "b"} {
		must(t, h.DefineDomain(ctx, hypervisor.Definition{UUID: guestID(name), Name: name, VCPUs: 1, MemoryMiB: 1}))
	}
	list, err := h.ListDomains(ctx)
	must(t, err)
	names := ""
	for _, d := range list {
		names += d.Name
		if d.Stamp != nil || !d.Persistent {
			t.Errorf("%+v is not a foreign, persistent domain", d)
		}
	}
	if names != "abc" {
		t.Errorf("order is %s", names)
	}
	stamp := hypervisor.Stamp{Cluster: "c1", Generation: 7}
	must(t, h.SetStamp(ctx, guestID("b"), stamp))
	if d, _ := h.GetDomain(ctx, guestID("b")); d.Stamp == nil || *d.Stamp != stamp {
		t.Errorf("stamp = %+v", d.Stamp)
	}
}

func TestStartNeedsItsDisks(t *testing.T) {
	h, ctx := open(t, New(Options{}), "a1"), t.Context()
	def := place(t, h, localPool, "web")
	must(t, h.DeleteVolume(ctx, localPool, "base"))
	want(t, "without backing file", h.StartDomain(ctx, def.UUID), hypervisor.ErrRefused)
	must(t, h.DeleteVolume(ctx, localPool, "web.qcow2"))
	want(t, "without disk", h.StartDomain(ctx, def.UUID), hypervisor.ErrRefused)
	want(t, "second delete", h.DeleteVolume(ctx, localPool, "web.qcow2"), hypervisor.ErrNotFound)
}

func TestTwoGuestsOnOneSharedDisk(t *testing.T) {
	w := New(Options{})
	a, b, ctx := open(t, w, "a1"), open(t, w, "b1"), t.Context()
	def := place(t, a, sharedPool, "web")
	must(t, a.StartDomain(ctx, def.UUID))
	must(t, b.DefineDomain(ctx, def))
	want(t, "second start", b.StartDomain(ctx, def.UUID), hypervisor.ErrRefused)
	v := w.Truth().Violations
	if len(v) != 1 || v[0].Kind != DiskTwice || fmt.Sprint(v[0].Hosts) != "[a1 b1]" {
		t.Errorf("violations = %+v, want one disk-twice of a1 and b1", v)
	}
	must(t, a.DestroyDomain(ctx, def.UUID))
	must(t, b.StartDomain(ctx, def.UUID))
}

func TestTwoGuestsOfOneUUIDOnLocalDisks(t *testing.T) {
	w := New(Options{})
	for _, name := range []string{"a1", "b1"} {
		h := open(t, w, name)
		must(t, h.StartDomain(t.Context(), place(t, h, localPool, "web").UUID))
	}
	truth := w.Truth()
	if v := truth.Violations; len(v) != 2 || v[0].Kind != OldDisk || v[1].Kind != DoubleRun {
		t.Errorf("violations = %+v, want an old-disk and a double-run", v)
	}
	if got := fmt.Sprint(truth.Runs[guestID("web")]); got != "[a1 b1]" {
		t.Errorf("it runs on %s", got)
	}
}
