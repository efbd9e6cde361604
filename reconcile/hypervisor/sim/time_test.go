package sim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// bubble runs f in virtual time on a world with realistic times and the hosts a1 and b1.
func bubble(t *testing.T, opts Options, f func(t *testing.T, w *World, a, b hypervisor.Host)) {
	synctest.Test(t, func(t *testing.T) {
		w := New(opts)
		defer w.Close()
		f(t, w, open(t, w, "a1"), open(t, w, "b1"))
	})
}

// soon returns a context that ends after d.
func soon(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestWorkTakesItsTime(t *testing.T) {
	bubble(t, Realistic(), func(t *testing.T, w *World, a, _ hypervisor.Host) {
		id := place(t, a, localPool, "web").UUID
		began := time.Now()
		must(t, a.StartDomain(t.Context(), id))
		if d := time.Since(began); d != 300*time.Millisecond {
			t.Errorf("start took %s, want 300ms", d)
		}
		must(t, a.ShutdownDomain(t.Context(), id)) // while it boots: heeded when it is up
		wait(12900*time.Millisecond - time.Since(began))
		wantPower(t, w, "a1", id, hypervisor.PowerRunning)
		wait(200 * time.Millisecond)
		wantPower(t, w, "a1", id, hypervisor.PowerOff)
	})
}

// wait lets virtual time pass.
func wait(d time.Duration) { <-time.After(d) }

func TestTimeScale(t *testing.T) {
	opts := Realistic()
	opts.TimeScale = 100
	bubble(t, opts, func(t *testing.T, w *World, a, _ hypervisor.Host) {
		began := time.Now()
		must(t, a.StartDomain(t.Context(), place(t, a, localPool, "web").UUID))
		if d := time.Since(began); d != 3*time.Millisecond {
			t.Errorf("start took %s, want 3ms", d)
		}
	})
}

func TestDeafGuest(t *testing.T) {
	bubble(t, Realistic(), func(t *testing.T, w *World, a, _ hypervisor.Host) {
		id := place(t, a, localPool, "web").UUID
		must(t, a.StartDomain(t.Context(), id))
		must(t, w.Do("deaf a1"))
		must(t, a.ShutdownDomain(t.Context(), id))
		wait(time.Hour)
		wantPower(t, w, "a1", id, hypervisor.PowerRunning)
		must(t, w.Do("hears a1 "+id))
		must(t, a.ShutdownDomain(t.Context(), id))
		wait(time.Minute)
		wantPower(t, w, "a1", id, hypervisor.PowerOff)
	})
}

func TestPausedGuestHeedsTheButtonWhenResumed(t *testing.T) {
	bubble(t, Realistic(), func(t *testing.T, w *World, a, _ hypervisor.Host) {
		id := place(t, a, localPool, "web").UUID
		must(t, a.StartDomain(t.Context(), id))
		must(t, a.PauseDomain(t.Context(), id))
		must(t, a.ShutdownDomain(t.Context(), id))
		wait(time.Hour)
		wantPower(t, w, "a1", id, hypervisor.PowerPaused)
		must(t, a.ResumeDomain(t.Context(), id))
		wait(time.Minute)
		wantPower(t, w, "a1", id, hypervisor.PowerOff)
	})
}

// A call that is lost, late or stuck in a hung libvirtd takes effect all the same; only an undefine
// fences a start.
func TestLostCallsTakeEffect(t *testing.T) {
	for _, tc := range []struct {
		fault         string
		at            time.Duration // when it takes effect
		fence         bool          // undefine before that
		before, after hypervisor.Power
	}{
		{"drop a1 StartDomain x1", 0, false, "off", "off"},
		{"lose a1 StartDomain x1", 0, false, "running", "running"},
		{"late a1 StartDomain 5m x1", 5 * time.Minute, false, "off", "running"},
		{"late a1 StartDomain 5m x1", 5 * time.Minute, true, "", ""},
		{"delay a1 StartDomain 5m x1", 5 * time.Minute, false, "off", "running"},
		{"delay a1 StartDomain 5m x1", 5 * time.Minute, true, "", ""},
	} {
		t.Run(tc.fault, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, w *World, a, _ hypervisor.Host) {
				id := place(t, a, localPool, "web").UUID
				must(t, w.Do(tc.fault))
				want(t, "start", a.StartDomain(soon(t, time.Minute), id), hypervisor.ErrUnknown)
				if tc.fence {
					must(t, a.UndefineDomain(t.Context(), id))
				}
				wantPower(t, w, "a1", id, tc.before)
				wait(tc.at)
				wantPower(t, w, "a1", id, tc.after)
			})
		})
	}
}

func TestHungDaemonRunsItsQueueWhenItWakes(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *World, a, _ hypervisor.Host) {
		one, two := place(t, a, localPool, "one").UUID, place(t, a, localPool, "two").UUID
		must(t, w.Do("hang a1"))
		want(t, "start", a.StartDomain(soon(t, time.Minute), one), hypervisor.ErrUnknown)
		_, err := a.HostInfo(soon(t, time.Minute))
		want(t, "look", err, hypervisor.ErrUnknown)
		patient := make(chan error, 1)
		go func() { patient <- a.StartDomain(t.Context(), two) }()
		wait(time.Hour)
		wantPower(t, w, "a1", one, hypervisor.PowerOff)
		must(t, w.Do("up a1"))
		must(t, <-patient)
		wantPower(t, w, "a1", one, hypervisor.PowerRunning)
		wantPower(t, w, "a1", two, hypervisor.PowerRunning)
	})
}

func TestCutHostRunsAndDownHostDoesNot(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *World, a, b hypervisor.Host) {
		cut, dead := place(t, a, localPool, "cut").UUID, place(t, b, localPool, "dead").UUID
		must(t, a.StartDomain(t.Context(), cut))
		must(t, b.StartDomain(t.Context(), dead))
		must(t, w.Do("cut a1"))
		must(t, w.Do("down b1"))
		for _, h := range []hypervisor.Host{a, b} {
			_, err := h.ListDomains(t.Context())
			want(t, "list", err, hypervisor.ErrUnreachable)
		}
		if runs := w.Truth().Runs; len(runs[cut]) != 1 || len(runs[dead]) != 0 {
			t.Errorf("running: %v", runs)
		}
		must(t, w.Do("up a1"))
		must(t, w.Do("up b1"))
		wantPower(t, w, "a1", cut, hypervisor.PowerRunning)
		wantPower(t, w, "b1", dead, hypervisor.PowerOff)
	})
}

func TestConnectionLostInMidCall(t *testing.T) {
	bubble(t, Options{Start: time.Minute}, func(t *testing.T, w *World, a, _ hypervisor.Host) {
		id := place(t, a, localPool, "web").UUID
		time.AfterFunc(time.Second, func() { w.SetCondition("a1", Cut) })
		want(t, "start", a.StartDomain(t.Context(), id), hypervisor.ErrUnknown)
		wantPower(t, w, "a1", id, hypervisor.PowerRunning)
	})
}

func TestFailAndClear(t *testing.T) {
	w := New(Options{})
	a, ctx := open(t, w, "a1"), t.Context()
	id := place(t, a, localPool, "web").UUID
	must(t, w.Do("fail * StartDomain err=nospace"))
	want(t, "start", a.StartDomain(ctx, id), hypervisor.ErrNoSpace)
	must(t, w.Do("clear"))
	remove := w.Inject(Fault{Kind: Fail, Method: "StartDomain"})
	want(t, "start", a.StartDomain(ctx, id), hypervisor.ErrRefused)
	remove()
	must(t, a.StartDomain(ctx, id))
}

func TestChanceFollowsTheSeed(t *testing.T) {
	outcome := func(seed uint64) (bits uint64) {
		w := New(Options{Seed: seed})
		must(t, w.Do("fail * HostInfo p=0.5"))
		h := open(t, w, "a1")
		for range 64 {
			bits <<= 1
			if _, err := h.HostInfo(t.Context()); err != nil {
				bits |= 1
			}
		}
		return bits
	}
	first, again, other := outcome(1), outcome(1), outcome(2)
	if first != again || first == other || first == 0 || ^first == 0 {
		t.Errorf("outcomes %x %x %x", first, again, other)
	}
}

func TestFaultLanguageRefusesNonsense(t *testing.T) {
	w := New(Options{})
	for _, line := range []string{
		"", "explode a1", "down", "down a b c", "fail a1", "late a1 StartDomain", "delay a1 StartDomain soon",
		"fail a1 StartDomain err=odd", "fail a1 StartDomain p=x", "fail a1 StartDomain xx", "unmount a1", "stick",
	} {
		if err := w.Do(line); err == nil {
			t.Errorf("Do(%q) succeeded", line)
		}
	}
	if len(w.rules) != 0 {
		t.Errorf("nonsense left %d rules", len(w.rules))
	}
}

func TestEvents(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *World, a, _ hypervisor.Host) {
		ctx, cancel := context.WithCancel(t.Context())
		events, err := a.Events(ctx)
		must(t, err)
		id := place(t, a, localPool, "web").UUID
		if e := <-events; e != (hypervisor.Event{Kind: hypervisor.EventDomain, UUID: id}) {
			t.Errorf("event %+v after define", e)
		}
		must(t, w.Do("drop a1 event x1"))
		must(t, a.StartDomain(ctx, id)) // unheard
		must(t, w.Do("cut a1"))
		if e := <-events; e.Kind != hypervisor.EventLost {
			t.Errorf("event %+v of a cut", e)
		}
		must(t, w.Behind("a1").DestroyDomain(ctx, id)) // unheard
		must(t, w.Do("up a1"))
		if e := <-events; e.Kind != hypervisor.EventResync {
			t.Errorf("event %+v after a cut, want a resync", e)
		}
		for range 3 * eventBuffer {
			must(t, a.SetStamp(ctx, id, hypervisor.Stamp{Cluster: "c"}))
		}
		cancel()
		synctest.Wait()
		var last hypervisor.Event
		for e := range events {
			last = e
		}
		if last.Kind != hypervisor.EventResync {
			t.Errorf("a slow reader's last event is %+v, want a resync", last)
		}
	})
}
