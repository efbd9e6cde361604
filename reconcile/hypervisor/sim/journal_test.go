package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// reopen ends a world as kill -9 would and opens its journal again.
func reopen(t testing.TB, w *World, opts Options) *World {
	t.Helper()
	kill(w)
	return openDir(t, w.journal.dir, opts)
}

// kill drops the journal without a last word.
func kill(w *World) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.journal.close()
}

func openDir(t testing.TB, dir string, opts Options) *World {
	t.Helper()
	w, err := Open(dir, opts)
	must(t, err)
	t.Cleanup(func() { w.Close() })
	return w
}

// sameTruth compares worlds; empty and nil lists are the same.
func sameTruth(a, b Truth) string {
	return cmp.Diff(a, b, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Truth{}, "At"))
}

func TestHostsSurviveTheirController(t *testing.T) {
	for _, sync := range []bool{false, true} {
		t.Run(fmt.Sprint("sync ", sync), func(t *testing.T) {
			opts := Options{Sync: sync, GuestWrites: 1 << 20}
			w := openDir(t, t.TempDir(), opts)
			a := open(t, w, "a1")
			one, two := place(t, a, localPool, "one"), place(t, a, sharedPool, "two")
			must(t, a.StartDomain(t.Context(), one.UUID))
			must(t, a.StartDomain(t.Context(), two.UUID))
			must(t, a.Migrate(t.Context(), two.UUID, moveTo("b1", two), nil))
			must(t, a.SetClaim(t.Context(), hypervisor.Claim{Cluster: "c1", Epoch: 3}))
			addDisk(t, a, localPool, "gone")
			must(t, a.DeleteVolume(t.Context(), localPool, "gone.qcow2"))
			must(t, w.Do("cut b1"))

			again := reopen(t, w, opts)
			if diff := sameTruth(w.Truth(), again.Truth()); diff != "" {
				t.Errorf("after a restart:\n%s", diff)
			}
			if c, err := open(t, again, "a1").GetClaim(t.Context()); err != nil || c.Epoch != 3 {
				t.Errorf("claim %+v, %v", c, err)
			}
			_, err := open(t, again, "b1").HostInfo(t.Context())
			want(t, "a cut host after a restart", err, hypervisor.ErrUnreachable)
			want(t, "a locked disk after a restart", again.Behind("a1").DefineDomain(t.Context(), two), nil)
			want(t, "second start after a restart", again.Behind("a1").StartDomain(t.Context(), two.UUID), hypervisor.ErrRefused)
		})
	}
}

func TestWorkGoesOnWhileNobodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := Options{Shutdown: time.Minute, MigrationSpeed: 16 << 20, UploadSpeed: 1}
		w := openDir(t, t.TempDir(), opts)
		a := open(t, w, "a1")
		stops, moves := place(t, a, sharedPool, "stops"), place(t, a, sharedPool, "moves")
		must(t, a.StartDomain(t.Context(), stops.UUID))
		must(t, a.StartDomain(t.Context(), moves.UUID))
		must(t, a.ShutdownDomain(t.Context(), stops.UUID))
		want(t, "migrate", a.Migrate(soon(t, time.Second), moves.UUID, moveTo("b1", moves), nil), hypervisor.ErrUnknown)
		_, err := a.EnsurePool(t.Context(), localPool)
		must(t, err)
		_, err = a.CreateVolume(t.Context(), localPool, hypervisor.VolumeSpec{Name: "half", Format: "raw"})
		must(t, err)
		err = a.UploadVolume(soon(t, time.Second), localPool, "half", strings.NewReader("0123456789"), 10, nil)
		want(t, "upload", err, hypervisor.ErrUnknown)
		w = reopen(t, w, opts)
		wantPower(t, w, "a1", stops.UUID, hypervisor.PowerRunning)
		wantPower(t, w, "b1", moves.UUID, hypervisor.PowerIncoming)
		kill(w)
		wait(time.Hour)
		w = openDir(t, w.journal.dir, opts)
		wantPower(t, w, "a1", stops.UUID, hypervisor.PowerOff)
		wantPower(t, w, "a1", moves.UUID, "")
		wantPower(t, w, "b1", moves.UUID, hypervisor.PowerRunning)
		if disk := w.Truth().Disks[0]; disk.Name != "half" || !disk.Incomplete {
			t.Errorf("the upload that broke left %+v", disk)
		}
		wantSound(t, w)
		w.Close()
	})
}

func TestTornLastLineIsDropped(t *testing.T) {
	w := openDir(t, t.TempDir(), Options{})
	place(t, open(t, w, "a1"), localPool, "web")
	before := w.Truth()
	kill(w)
	file := filepath.Join(w.journal.dir, journalName)
	whole, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, append(whole, `[{"k":"domain","h":"a1","i":"`...), 0o600))
	w = openDir(t, w.journal.dir, Options{})
	if diff := sameTruth(before, w.Truth()); diff != "" {
		t.Errorf("a torn line changed the world:\n%s", diff)
	}
	w.Close()

	must(t, os.WriteFile(file, append([]byte("rubbish\n"), whole...), 0o600))
	if _, err := Open(w.journal.dir, Options{}); err == nil || !strings.Contains(err.Error(), "damaged at byte 0") {
		t.Errorf("a damaged journal: %v", err)
	}
}

// TestLookWritesNothing: others may have the folder open, and it may be read-only.
func TestLookWritesNothing(t *testing.T) {
	dir := t.TempDir()
	w, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	h, err := w.Open(t.Context(), hypervisor.Target{Name: "a", URI: "sim://a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.SetClaim(t.Context(), hypervisor.Claim{Cluster: "c1"}); err != nil {
		t.Fatal(err)
	}
	before := listed(t, dir)
	copied, err := Look(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	h, err = copied.Open(t.Context(), hypervisor.Target{Name: "a", URI: "sim://a"})
	if err != nil {
		t.Fatal(err)
	}
	claim, err := h.GetClaim(t.Context())
	if err != nil || claim.Cluster != "c1" {
		t.Errorf("the copy shows claim %+v, %v", claim, err)
	}
	if err := h.ReleaseClaim(t.Context(), "c1"); err != nil {
		t.Error(err)
	}
	if after := listed(t, dir); after != before {
		t.Errorf("looking changed the folder:\n%s\nbefore:\n%s", after, before)
	}
}

// listed returns names, sizes and times of what is in a folder.
func listed(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, e.Name(), info.Size(), info.ModTime())
	}
	return b.String()
}

func TestOneOwnerPerFolder(t *testing.T) {
	dir := t.TempDir()
	w := openDir(t, dir, Options{})
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("second Open: %v", err)
	}
	must(t, w.Close())
	must(t, openDir(t, dir, Options{}).Close())
}

func TestJournalIsCompacted(t *testing.T) {
	w := openDir(t, t.TempDir(), Options{})
	a := open(t, w, "a1")
	def := place(t, a, localPool, "web")
	big := hypervisor.Stamp{Cluster: "c", Record: strings.Repeat("x", 16<<10)}
	for range 1000 {
		must(t, a.SetStamp(t.Context(), def.UUID, big))
	}
	info, err := os.Stat(filepath.Join(w.journal.dir, journalName))
	must(t, err)
	if info.Size() > 2*slack {
		t.Errorf("16 MiB of changes to one domain left a journal of %d bytes", info.Size())
	}
	if diff := sameTruth(w.Truth(), reopen(t, w, Options{}).Truth()); diff != "" {
		t.Errorf("after compaction:\n%s", diff)
	}
}

func TestAWorldThatCannotWriteAnswersNothing(t *testing.T) {
	w := openDir(t, t.TempDir(), Options{})
	a := open(t, w, "a1")
	def := place(t, a, localPool, "web")
	must(t, w.journal.file.Close())
	want(t, "start", a.StartDomain(t.Context(), def.UUID), hypervisor.ErrUnknown)
	want(t, "next call", a.DestroyDomain(t.Context(), def.UUID), hypervisor.ErrUnreachable)
}

// Whatever happens, the journal gives the same world back, and space is accounted for.
func TestAnyHistoryIsReplayed(t *testing.T) {
	dir := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		w := openDir(t, filepath.Join(dir, fmt.Sprint(run)), Options{GuestWrites: 1 << 20})
		hosts := []hypervisor.Host{open(t, w, "a1"), open(t, w, "b1")}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			randomStep(rt, t, w, hosts)
		}
		again := reopen(t, w, Options{GuestWrites: 1 << 20})
		if diff := sameTruth(w.Truth(), again.Truth()); diff != "" {
			rt.Fatalf("after a restart:\n%s", diff)
		}
		for _, world := range []*World{w, again} {
			for _, p := range world.shared {
				used := p.used
				if p.sum(); p.used != used {
					rt.Fatalf("pool %s accounts for %d bytes of %d", p.path, used, p.used)
				}
			}
		}
		again.Close()
	})
}

// randomStep does anything; errors are part of the game.
func randomStep(rt *rapid.T, t *testing.T, w *World, hosts []hypervisor.Host) {
	ctx := t.Context()
	at := rapid.IntRange(0, 1).Draw(rt, "host")
	h, name := hosts[at], rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "guest")
	id := guestID(name)
	pool := rapid.SampledFrom([]hypervisor.Pool{localPool, sharedPool}).Draw(rt, "pool")
	switch rapid.IntRange(0, 12).Draw(rt, "step") {
	case 0, 1:
		if _, err := h.GetVolume(ctx, pool, name+".qcow2"); err != nil && rapidUp(w, at) {
			addDisk(t, h, pool, name)
		}
	case 2, 3:
		_ = h.DefineDomain(ctx, hypervisor.Definition{UUID: id, Name: name, VCPUs: 1, MemoryMiB: 64, Disks: []hypervisor.Disk{
			{Path: pool.Path + "/" + name + ".qcow2", Format: "qcow2", Role: hypervisor.DiskRoot, Shared: pool.Shared},
		}})
	case 4, 5:
		_ = h.StartDomain(ctx, id)
	case 6:
		_ = h.DestroyDomain(ctx, id)
	case 7:
		_ = h.UndefineDomain(ctx, id)
	case 8, 9:
		req := hypervisor.MigrateRequest{Dest: target([]string{"b1", "a1"}[at]), SharedStorage: true}
		if !pool.Shared {
			req.CopyDisks = []string{pool.Path + "/" + name + ".qcow2"}
		}
		_ = h.Migrate(ctx, id, req, nil)
	case 10:
		_ = h.DeleteVolume(ctx, pool, name+".qcow2")
	case 11:
		w.SetCondition([]string{"a1", "b1"}[at], rapid.SampledFrom([]Condition{Up, Down, Cut}).Draw(rt, "condition"))
	case 12:
		_ = h.SaveDomain(ctx, id)
	}
}

func rapidUp(w *World, at int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hosts[[]string{"a1", "b1"}[at]].Condition == Up
}
