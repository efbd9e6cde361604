//go:build lab

package libvirt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/novaplan/novaplan/internal/labtest"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/conformance"
	"github.com/novaplan/novaplan/reconcile/hypervisor/libvirt"
	"github.com/novaplan/novaplan/reconcile/hypervisor/libvirt/domainxml"
)

// shared is the lab of all tests but those that break it.
var shared = labtest.Shared{Hosts: 2}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

func TestConformance(t *testing.T) {
	lab := shared.Get(t)
	pool := "/conformance"
	if err := os.MkdirAll(lab.Shared.Outside+pool, 0o755); err != nil {
		t.Fatal(err)
	}
	kvm1, kvm2 := lab.Hosts[0], lab.Hosts[1]
	conformance.Run(t, func(t *testing.T) conformance.Fixture {
		return conformance.Fixture{
			Driver: libvirt.New(libvirt.Options{}),
			Hosts: [2]hypervisor.Target{
				{Name: kvm1.Name, URI: kvm1.UnixURI(), PeerURI: kvm1.URI},
				{Name: kvm2.Name, URI: kvm2.URI},
			},
			Nobody:      hypervisor.Target{Name: "nobody", URI: "qemu+tcp://127.0.0.1:9/system"},
			SharedPool:  hypervisor.Pool{Path: lab.Shared.Inside + pool, Shared: true},
			LocalPool:   hypervisor.Pool{Path: kvm1.Local.Inside + pool},
			MissingPool: hypervisor.Pool{Path: lab.Shared.Inside + "/missing", Shared: true},
			Bridge:      "br0",
			VirtType:    "qemu",
			Arch:        "x86_64",
		}
	})
}

// open opens a host of the lab by one of its URIs.
func open(t testing.TB, name, uri string) hypervisor.Host {
	t.Helper()
	host, err := libvirt.New(libvirt.Options{}).Open(t.Context(), hypervisor.Target{Name: name, URI: uri})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close() })
	return host
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, what string, err, sentinel error) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Errorf("%s: got %v, want %v", what, err, sentinel)
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("%s: never", what)
		}
	}
}

// small is a guest without disks that vanishes with the test.
func small(t testing.TB, host hypervisor.Host) hypervisor.Definition {
	id := uuid.NewString()
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_ = host.DestroyDomain(ctx, id)
		if err := host.UndefineDomain(ctx, id); err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
			t.Error(err)
		}
	})
	return hypervisor.Definition{
		UUID: id, Name: "np-" + id[:8] + "-small", Stamp: hypervisor.Stamp{Cluster: id, Generation: 1},
		VirtType: "qemu", Arch: "x86_64", VCPUs: 1, MemoryMiB: 32,
	}
}

func TestOverSSH(t *testing.T) {
	lab := shared.Get(t)
	lab.UseSSH()
	host := open(t, "kvm1", lab.Hosts[0].SSHURI())
	ctx := t.Context()
	info, err := host.HostInfo(ctx)
	must(t, err)
	if info.UUID != lab.Hosts[0].UUID {
		t.Errorf("host %s, want %s", info.UUID, lab.Hosts[0].UUID)
	}
	pool := hypervisor.Pool{Path: lab.Hosts[0].Local.Inside + "/ssh"}
	_, err = host.EnsurePool(ctx, pool)
	must(t, err)
	data := bytes.Repeat([]byte("0123456789abcde\n"), 1<<18)
	_, err = host.CreateVolume(ctx, pool, hypervisor.VolumeSpec{Name: "data.raw", Format: "raw", Bytes: int64(len(data))})
	must(t, err)
	must(t, host.UploadVolume(ctx, pool, "data.raw", bytes.NewReader(data), int64(len(data)), nil))
	var back bytes.Buffer
	must(t, host.DownloadVolume(ctx, pool, "data.raw", &back, nil))
	if !bytes.Equal(back.Bytes(), data) {
		t.Error("what came back isn't what went")
	}
	must(t, host.DeleteVolume(ctx, pool, "data.raw"))
}

// TestBaselineCPU: what two different CPUs have in common is a CPU that a guest can be given.
func TestBaselineCPU(t *testing.T) {
	lab := shared.Get(t)
	host := open(t, "kvm1", lab.Hosts[0].UnixURI())
	def := small(t, host)
	const rich = `<cpu mode="custom" match="exact"><model fallback="forbid">Nehalem</model><feature policy="require" name="aes"/></cpu>`
	const poor = `<cpu mode="custom" match="exact"><model fallback="forbid">Penryn</model></cpu>`
	cpu, err := host.BaselineCPU(t.Context(), []string{rich, poor})
	must(t, err)
	if !strings.Contains(cpu, "Penryn") || strings.Contains(cpu, "aes") {
		t.Errorf("got %s", cpu)
	}
	def.CPU = cpu
	must(t, host.DefineDomain(t.Context(), def))
	must(t, host.StartDomain(t.Context(), def.UUID))
	if none, err := host.BaselineCPU(t.Context(), []string{rich, ""}); err != nil || none != "" {
		t.Errorf("with an emulated one: %q, %v", none, err)
	}
}

// TestLateCreate: a create sent to a hanging libvirtd is unknown, and then it happens after all.
func TestLateCreate(t *testing.T) {
	lab := shared.Get(t)
	host := open(t, "kvm1", lab.Hosts[0].URI)
	def := small(t, host)
	must(t, host.DefineDomain(t.Context(), def))
	lab.PauseLibvirtd("kvm1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	wantError(t, "start at a hanging libvirtd", host.StartDomain(ctx, def.UUID), hypervisor.ErrUnknown)
	_, err := host.GetDomain(ctx, def.UUID)
	wantError(t, "read at a hanging libvirtd", err, hypervisor.ErrUnreachable)
	lab.ResumeLibvirtd("kvm1")
	eventually(t, "the late start", func() bool {
		domain, err := host.GetDomain(t.Context(), def.UUID)
		return err == nil && domain.Power == hypervisor.PowerRunning
	})
}

// TestLibvirtdRestart: the driver comes back by itself, says that events may be lost, and the guest has run on.
func TestLibvirtdRestart(t *testing.T) {
	lab := shared.Get(t)
	host := open(t, "kvm1", lab.Hosts[0].UnixURI())
	def := small(t, host)
	must(t, host.DefineDomain(t.Context(), def))
	must(t, host.StartDomain(t.Context(), def.UUID))
	events, err := host.Events(t.Context())
	must(t, err)
	if event := <-events; event.Kind != hypervisor.EventResync {
		t.Errorf("first event %+v", event)
	}
	lab.CrashLibvirtd("kvm1")
	_, err = host.ListDomains(t.Context())
	wantError(t, "list without a libvirtd", err, hypervisor.ErrUnreachable)
	lab.StartLibvirtd("kvm1")
	for event := range events {
		if event.Kind == hypervisor.EventResync {
			break
		}
	}
	domain, err := host.GetDomain(t.Context(), def.UUID)
	must(t, err)
	if domain.Power != hypervisor.PowerRunning {
		t.Errorf("the guest is %s", domain.Power)
	}
}

// TestDefinitionsAreValid asks libvirt's own schema, which finds elements that it would silently ignore.
func TestDefinitionsAreValid(t *testing.T) {
	lab := shared.Get(t)
	goldens, err := filepath.Glob("domainxml/testdata/*.xml")
	must(t, err)
	if len(goldens) == 0 {
		t.Fatal("no golden files")
	}
	for _, golden := range goldens {
		out, err := lab.TryVirsh("kvm1", "define", "--validate", golden)
		if err == nil {
			lab.Virsh("kvm1", "undefine", "--nvram", "2f8e7c3a-9d54-4c0e-8a31-7d3c5b1f0a11")
		}
		if strings.Contains(fmt.Sprint(out, err), "schema") {
			t.Errorf("%s: %v %s", golden, err, out)
		}
	}
}

// guest is a guest that really boots, on a root disk and a pool, with its serial log.
func bootable(t *testing.T, lab *labtest.Lab, host hypervisor.Host, pool hypervisor.Pool) hypervisor.Definition {
	t.Helper()
	ctx := t.Context()
	image, err := os.Open(lab.GuestImage())
	must(t, err)
	defer image.Close()
	size, err := image.Stat()
	must(t, err)
	_, err = host.EnsurePool(ctx, pool)
	must(t, err)
	def := small(t, host)
	base := hypervisor.VolumeSpec{Name: def.Name + "-base.qcow2", Format: "qcow2", Bytes: 24 << 20}
	volume, err := host.CreateVolume(ctx, pool, base)
	must(t, err)
	must(t, host.UploadVolume(ctx, pool, base.Name, image, size.Size(), nil))
	root, err := host.CreateVolume(ctx, pool, hypervisor.VolumeSpec{
		Name: def.Name + ".qcow2", Format: "qcow2", Bytes: 64 << 20, BackingPath: volume.Path, BackingFormat: "qcow2",
	})
	must(t, err)
	def.MemoryMiB = 128
	def.Disks = []hypervisor.Disk{{Path: root.Path, Format: "qcow2", Role: hypervisor.DiskRoot, Shared: pool.Shared}}
	def.NICs = []hypervisor.NIC{{MAC: "02:4e:50:00:01:01", Kind: hypervisor.NetworkBridge, Source: "br0"}}
	return def
}

// TestRealGuestMovesWithoutNoticing: a guest that boots from an uploaded image counts on through a live migration and
// answers the power button afterwards.
func TestRealGuestMovesWithoutNoticing(t *testing.T) {
	lab := shared.Get(t)
	a, b := open(t, "kvm1", lab.Hosts[0].UnixURI()), open(t, "kvm2", lab.Hosts[1].UnixURI())
	dir := lab.Shared.Outside + "/guests"
	must(t, os.MkdirAll(dir, 0o755))
	def := bootable(t, lab, a, hypervisor.Pool{Path: lab.Shared.Inside + "/guests", Shared: true})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	must(t, a.DefineDomain(ctx, def))
	must(t, a.StartDomain(ctx, def.UUID))
	before, err := lab.Serial("kvm1", def.Name).WaitTick(ctx)
	must(t, err)
	t.Cleanup(func() {
		_ = b.DestroyDomain(context.WithoutCancel(ctx), def.UUID)
		_ = b.UndefineDomain(context.WithoutCancel(ctx), def.UUID)
	})
	must(t, a.Migrate(ctx, def.UUID, hypervisor.MigrateRequest{
		Dest: hypervisor.Target{Name: "kvm2", URI: lab.Hosts[1].URI}, Stamp: def.Stamp, SharedStorage: true, NICs: def.NICs,
	}, nil))
	log := lab.Serial("kvm2", def.Name)
	after, err := log.WaitTick(ctx)
	must(t, err)
	if after.Count <= before.Count || after.Boots != before.Boots {
		t.Errorf("before %+v, after %+v", before, after)
	}
	must(t, b.ShutdownDomain(ctx, def.UUID))
	eventually(t, "answer to the power button", func() bool {
		domain, err := b.GetDomain(ctx, def.UUID)
		return err == nil && domain.Power == hypervisor.PowerOff
	})
}

// typist types one line at a console and keeps what is shown until a pattern appears.
type typist struct {
	line   *strings.Reader
	seen   bytes.Buffer
	until  *regexp.Regexp
	hungUp context.CancelFunc
	ctx    context.Context
}

func (u *typist) Read(p []byte) (int, error) {
	if u.line.Len() > 0 {
		return u.line.Read(p)
	}
	<-u.ctx.Done()
	return 0, u.ctx.Err()
}

func (u *typist) Write(p []byte) (int, error) {
	u.seen.Write(p)
	if u.until.Match(u.seen.Bytes()) {
		u.hungUp()
	}
	return len(p), nil
}

func TestConsoleTypesAndShows(t *testing.T) {
	lab := shared.Get(t)
	host := open(t, "kvm1", lab.Hosts[0].UnixURI())
	def := bootable(t, lab, host, hypervisor.Pool{Path: lab.Hosts[0].Local.Inside + "/console"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, host.DefineDomain(ctx, def))
	must(t, host.StartDomain(ctx, def.UUID))
	_, err := lab.Serial("kvm1", def.Name).WaitTick(ctx)
	must(t, err)
	session, hangUp := context.WithCancel(ctx)
	defer hangUp()
	user := &typist{line: strings.NewReader("echo answer-$((6*7))\n"), until: regexp.MustCompile("answer-42"), ctx: session, hungUp: hangUp}
	wantError(t, "console that is hung up", host.OpenConsole(session, def.UUID, user, false), context.Canceled)
	if !user.until.Match(user.seen.Bytes()) {
		t.Errorf("shown: %q", user.seen.String())
	}
}

// BenchmarkListDomains lists a host with 50 domains, defined and off.
func BenchmarkListDomains(b *testing.B) {
	lab := shared.Get(b)
	host := open(b, "kvm1", lab.Hosts[0].URI)
	for range 50 {
		must(b, host.DefineDomain(b.Context(), small(b, host)))
	}
	for b.Loop() {
		if _, err := host.ListDomains(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpload is one volume of 64 MiB through libvirtd.
func BenchmarkUpload(b *testing.B) {
	lab := shared.Get(b)
	host := open(b, "kvm1", lab.Hosts[0].URI)
	pool := hypervisor.Pool{Path: lab.Hosts[0].Local.Inside + "/bench"}
	_, err := host.EnsurePool(b.Context(), pool)
	must(b, err)
	data := make([]byte, 64<<20)
	_, err = host.CreateVolume(b.Context(), pool, hypervisor.VolumeSpec{Name: "bench.raw", Format: "raw", Bytes: int64(len(data))})
	must(b, err)
	b.Cleanup(func() { _ = host.DeleteVolume(context.WithoutCancel(b.Context()), pool, "bench.raw") })
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		must(b, host.UploadVolume(b.Context(), pool, "bench.raw", bytes.NewReader(data), int64(len(data)), nil))
	}
}

// BenchmarkEncode is what one definition costs.
func BenchmarkEncode(b *testing.B) {
	def := hypervisor.Definition{UUID: uuid.NewString(), Name: "x", VirtType: "qemu", VCPUs: 1, MemoryMiB: 64}
	for b.Loop() {
		if _, err := domainxml.Encode(def); err != nil {
			b.Fatal(err)
		}
	}
}
