package sim

import (
	"context"
	"testing"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// moveTo returns the request that moves def to a host of that name.
func moveTo(dest string, def hypervisor.Definition) hypervisor.MigrateRequest {
	stamp := def.Stamp
	stamp.Generation++
	req := hypervisor.MigrateRequest{Dest: target(dest), Stamp: stamp, SharedStorage: true}
	for _, d := range def.Disks {
		if !d.Shared {
			req.CopyDisks = append(req.CopyDisks, d.Path)
		}
	}
	return req
}

func TestMigrateShared(t *testing.T) {
	bubble(t, Realistic(), func(t *testing.T, w *World, a, b hypervisor.Host) {
		def := place(t, a, sharedPool, "web")
		ctx := t.Context()
		must(t, a.StartDomain(ctx, def.UUID))
		wait(time.Minute)
		before := w.Truth().Domains[0]
		began := time.Now()
		req := moveTo("b1", def)
		req.BandwidthMiBps = 128
		var seen []hypervisor.Job
		must(t, a.Migrate(ctx, def.UUID, req, func(j hypervisor.Job) { seen = append(seen, j) }))
		if d := time.Since(began); d != 8*time.Second {
			t.Errorf("1 GiB at 128 MiB/s took %s, want 8s", d)
		}
		if len(seen) < 30 || seen[0].BytesDone >= seen[20].BytesDone || seen[0].BytesTotal != gib {
			t.Errorf("progress: %d calls, first %+v", len(seen), seen[0])
		}
		after := w.Truth().Domains
		if len(after) != 1 || after[0].Host != "b1" || after[0].Stamp.Generation != 2 ||
			after[0].Starts != before.Starts || !after[0].BootedAt.Equal(before.BootedAt) {
			t.Errorf("after the move: %+v", after)
		}
		wantSound(t, w)
		must(t, b.DestroyDomain(ctx, def.UUID))
	})
}

func TestMigrateLocalCopiesTheOverlay(t *testing.T) {
	bubble(t, Realistic(), func(t *testing.T, w *World, a, b hypervisor.Host) {
		def := place(t, a, localPool, "web")
		ctx := t.Context()
		must(t, a.StartDomain(ctx, def.UUID))
		req := moveTo("b1", def)
		want(t, "without an overlay there", a.Migrate(ctx, def.UUID, req, nil), hypervisor.ErrRefused)
		addDisk(t, b, localPool, "web")
		req.CopyDisks = nil
		want(t, "without copying", a.Migrate(ctx, def.UUID, req, nil), hypervisor.ErrRefused)
		must(t, a.Migrate(ctx, def.UUID, moveTo("b1", def), nil))
		from, _ := a.GetVolume(ctx, localPool, "web.qcow2")
		to, err := b.GetVolume(ctx, localPool, "web.qcow2")
		if err != nil || to.Allocated != from.Allocated || to.Allocated <= EmptyDisk {
			t.Errorf("copied %d of %d bytes, %v", to.Allocated, from.Allocated, err)
		}
		wantSound(t, w)
	})
}

func TestMigrateRefusals(t *testing.T) {
	w := New(Options{})
	a, b, ctx := open(t, w, "a1"), open(t, w, "b1"), t.Context()
	def := place(t, a, sharedPool, "web")
	req := moveTo("b1", def)
	want(t, "a domain that is off", a.Migrate(ctx, def.UUID, req, nil), hypervisor.ErrState)
	must(t, a.StartDomain(ctx, def.UUID))
	want(t, "to itself", a.Migrate(ctx, def.UUID, moveTo("a1", def), nil), hypervisor.ErrRefused)
	unsafe := req
	unsafe.SharedStorage = false
	want(t, "unsafe", a.Migrate(ctx, def.UUID, unsafe, nil), hypervisor.ErrRefused)
	other := def
	other.UUID = guestID("other")
	must(t, b.DefineDomain(ctx, other))
	want(t, "name taken", a.Migrate(ctx, def.UUID, req, nil), hypervisor.ErrRefused)
	must(t, b.UndefineDomain(ctx, other.UUID))
	must(t, w.Do("unmount b1 /srv/shared"))
	want(t, "share not mounted there", a.Migrate(ctx, def.UUID, req, nil), hypervisor.ErrRefused)
	must(t, w.Do("mount b1 /srv/shared"))
	must(t, w.Do("down b1"))
	want(t, "peer down", a.Migrate(ctx, def.UUID, req, nil), hypervisor.ErrRefused)
	want(t, "check of a peer that is down", a.CheckPeer(ctx, "sim://b1"), hypervisor.ErrRefused)
	wantPower(t, w, "a1", def.UUID, hypervisor.PowerRunning)
}

// A migration under way, and what can become of it. The guest is never on both hosts, never lost.
func TestMigrationsThatGoWrong(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(w *World, a, b hypervisor.Host, id string) error // after 1 of 8 s
		err  error
		a, b hypervisor.Power // 20 s later
	}{
		{"abort", func(_ *World, a, _ hypervisor.Host, id string) error {
			return a.AbortMigration(context.Background(), id)
		}, hypervisor.ErrAborted, "running", ""},
		{"source cut", func(w *World, _, _ hypervisor.Host, _ string) error { return w.Do("cut a1") },
			hypervisor.ErrUnknown, "", "running"},
		{"source down", func(w *World, _, _ hypervisor.Host, _ string) error { return w.Do("down a1") },
			hypervisor.ErrUnknown, "off", ""},
		{"source hung", func(w *World, _, _ hypervisor.Host, _ string) error {
			time.AfterFunc(10*time.Second, func() { w.SetCondition("a1", Up) })
			return w.Do("hang a1")
		}, nil, "", "running"},
		{"destination down", func(w *World, _, _ hypervisor.Host, _ string) error { return w.Do("down b1") },
			hypervisor.ErrRefused, "running", ""},
		{"destination cut", func(w *World, _, _ hypervisor.Host, _ string) error { return w.Do("cut b1") },
			nil, "", "running"},
		{"destroyed at the source", func(_ *World, a, _ hypervisor.Host, id string) error {
			return a.DestroyDomain(context.Background(), id)
		}, hypervisor.ErrUnknown, "off", ""},
		{"destroyed at the destination", func(_ *World, _, b hypervisor.Host, id string) error {
			return b.DestroyDomain(context.Background(), id)
		}, hypervisor.ErrRefused, "running", ""},
		{"guest shuts down", func(_ *World, a, _ hypervisor.Host, id string) error {
			return a.ShutdownDomain(context.Background(), id)
		}, hypervisor.ErrUnknown, "off", ""},
		{"paused", func(_ *World, a, _ hypervisor.Host, id string) error {
			return a.PauseDomain(context.Background(), id)
		}, nil, "", "paused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, Options{MigrationSpeed: 128 << 20, Shutdown: time.Second}, func(t *testing.T, w *World, a, b hypervisor.Host) {
				def := place(t, a, sharedPool, "web")
				must(t, a.StartDomain(t.Context(), def.UUID))
				time.AfterFunc(time.Second, func() {
					wantPower(t, w, "b1", def.UUID, hypervisor.PowerIncoming)
					want(t, tc.name, tc.do(w, a, b, def.UUID), nil)
				})
				err := a.Migrate(t.Context(), def.UUID, moveTo("b1", def), nil)
				want(t, "migrate", err, tc.err)
				wait(20 * time.Second)
				wantPower(t, w, "a1", def.UUID, tc.a)
				wantPower(t, w, "b1", def.UUID, tc.b)
				wantSound(t, w)
				if len(w.migrations) != 0 {
					t.Errorf("%d migrations remain", len(w.migrations))
				}
			})
		})
	}
}

func TestMigrationFaults(t *testing.T) {
	bubble(t, Options{MigrationSpeed: 128 << 20}, func(t *testing.T, w *World, a, b hypervisor.Host) {
		def := place(t, a, sharedPool, "web")
		must(t, a.StartDomain(t.Context(), def.UUID))
		must(t, w.Do("break a1 x1"))
		want(t, "broken", a.Migrate(t.Context(), def.UUID, moveTo("b1", def), nil), hypervisor.ErrRefused)

		must(t, w.Do("stick a1 x1"))
		want(t, "stuck", a.Migrate(soon(t, time.Hour), def.UUID, moveTo("b1", def), nil), hypervisor.ErrUnknown)
		if d, _ := a.GetDomain(t.Context(), def.UUID); !d.Migrating {
			t.Error("a stuck migration is not shown")
		}
		job, err := a.GetJob(t.Context(), def.UUID)
		if err != nil || job.BytesRemaining == 0 || job.ElapsedMs != time.Hour.Milliseconds() {
			t.Errorf("job %+v, %v", job, err)
		}
		want(t, "stamp in mid-migration", a.SetStamp(t.Context(), def.UUID, def.Stamp), hypervisor.ErrRefused)
		want(t, "define in mid-migration", a.DefineDomain(t.Context(), def), hypervisor.ErrRefused)
		must(t, a.AbortMigration(t.Context(), def.UUID))
		_, err = a.GetJob(t.Context(), def.UUID)
		want(t, "job after abort", err, hypervisor.ErrNotFound)
		must(t, a.Migrate(t.Context(), def.UUID, moveTo("b1", def), nil))
		wantSound(t, w)
	})
}

func TestMigrationGoesOnWithoutItsCaller(t *testing.T) {
	bubble(t, Options{MigrationSpeed: 128 << 20}, func(t *testing.T, w *World, a, _ hypervisor.Host) {
		def := place(t, a, sharedPool, "web")
		must(t, a.StartDomain(t.Context(), def.UUID))
		err := a.Migrate(soon(t, time.Second), def.UUID, moveTo("b1", def), nil)
		want(t, "migrate", err, hypervisor.ErrUnknown)
		wait(10 * time.Second)
		wantPower(t, w, "a1", def.UUID, "")
		wantPower(t, w, "b1", def.UUID, hypervisor.PowerRunning)
	})
}
