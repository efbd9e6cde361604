package reconcile_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// keep keeps the lab's fleet from now on.
func (l *lab) keep(how reconcile.Keeping) (stop func()) {
	l.t.Helper()
	ctx, cancel := context.WithCancel(l.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.c.Keep(ctx, how) }()
	return func() {
		cancel()
		<-ended
	}
}

// byHand opens a host as an operator would, past the controller.
func (l *lab) byHand(host int) hypervisor.Host {
	l.t.Helper()
	name := fmt.Sprintf("kvm%d", host)
	h, err := l.world.Open(l.t.Context(), hypervisor.Target{Name: name, URI: "sim://" + name, VCPUs: 16, MemoryMiB: 65536, DiskMiB: 1 << 20})
	if err != nil {
		l.t.Fatal(err)
	}
	return h
}

// vm returns the instance that the record has, and the number of its host.
func (l *lab) vm(n int) (*state.Instance, int) {
	l.t.Helper()
	in, ok := l.rec.State().Instances.Get(string(spec.NewAddress("instance", "vm").Index(n)))
	if !ok {
		l.t.Fatalf("vm[%d] is not in the record", n)
	}
	var host int
	if _, err := fmt.Sscanf(l.hostName(in.Host), "kvm%d", &host); err != nil {
		l.t.Fatal(err)
	}
	return in, host
}

// does is what a guest does, whatever anybody believes; "" when its domain is gone.
func (l *lab) does(uuid string) hypervisor.Power {
	for _, d := range l.world.Truth().Domains {
		if d.UUID == uuid {
			return d.Power
		}
	}
	return ""
}

// settings sets what is done unasked.
func (l *lab) settings(s state.Settings) {
	l.t.Helper()
	r, err := l.rec.Propose(l.t.Context(), state.Command{SetSettings: &state.SetSettings{Settings: s, By: "test"}})
	if err != nil || r.Refused != nil {
		l.t.Fatal(err, r.Refused)
	}
}

// reports lists what is told of, as "kind address".
func (l *lab) reports() []string {
	l.t.Helper()
	s, ok := l.c.Standing()
	if !ok {
		l.t.Fatal("nobody keeps the fleet")
	}
	var all []string
	for _, r := range s.Reports {
		all = append(all, fmt.Sprintf("%s %s", r.Kind, r.Address))
	}
	return all
}

// notes lists what the history says of drift.
func (l *lab) notes() []string {
	var all []string
	for _, e := range l.rec.State().History.All() {
		if e.Kind == "drift" {
			all = append(all, fmt.Sprintf("%s %s", e.Address, e.Message))
		}
	}
	return all
}

func (l *lab) noted(text string) bool {
	return slices.ContainsFunc(l.notes(), func(n string) bool { return strings.Contains(n, text) })
}

// A guest that was started elsewhere by hand is frozen, whatever the settings say.
func TestStartedElsewhereFreezes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		l := newLab(t, 2, true)
		l.settings(state.Settings{AutoApply: state.ApplyNone, Drift: map[string]state.DriftPolicy{"elsewhere": state.DriftIgnore, "missing": state.DriftMend}})
		l.begin()
		defer l.kill()
		l.want(1)
		l.apply()
		defer l.keep(reconcile.Keeping{})()
		time.Sleep(2 * time.Minute)
		in, host := l.vm(0)
		var def hypervisor.Definition
		for _, d := range l.world.Truth().Domains {
			def = d.Definition
		}
		from, to := l.byHand(host), l.byHand(3-host)
		for _, err := range []error{from.DestroyDomain(ctx, in.UUID), from.UndefineDomain(ctx, in.UUID), to.DefineDomain(ctx, def), to.StartDomain(ctx, in.UUID)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Minute)
		now, _ := l.vm(0)
		if now.Phase != state.Frozen || !strings.Contains(now.Why, "recorded on") {
			t.Errorf("it is %s: %s; history %q", now.Phase, now.Why, l.notes())
		}
		if l.total() != 1 {
			t.Errorf("it runs %d times", l.total())
		}
	})
}

// A guest that stops again and again is started less and less often, also by the next leader.
func TestCrashLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, false)
		l.begin()
		l.want(1)
		l.apply()
		stop := l.keep(reconcile.Keeping{})
		in, host := l.vm(0)
		h := l.byHand(host)
		starts := func() int {
			for _, d := range l.world.Truth().Domains {
				if d.UUID == in.UUID {
					return d.Starts
				}
			}
			return 0
		}
		first := starts()
		crash := func(during time.Duration) int {
			before := starts()
			for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(time.Second) {
				if l.does(in.UUID) == hypervisor.PowerRunning {
					if err := h.DestroyDomain(t.Context(), in.UUID); err != nil {
						t.Fatal(err)
					}
				}
			}
			return starts() - before
		}
		if n := crash(time.Hour); n < 5 || n > 8 {
			t.Errorf("started %d times in the first hour (%d before), want about 6: at once, after 1, 2, 4, 8, 16 and 32 minutes", n, first)
		}
		stop()
		l.kill()
		l.begin()
		defer l.kill()
		defer l.keep(reconcile.Keeping{})()
		if n := crash(time.Hour); n > 2 {
			t.Errorf("the next leader started it %d times in an hour", n)
		}
		if s, _ := l.c.Standing(); len(s.Reports) != 1 || !s.Reports[0].Tries.Looping() {
			t.Errorf("standing %+v", s)
		}
		time.Sleep(3 * time.Hour) // it is left alone now
		if l.does(in.UUID) != hypervisor.PowerRunning {
			t.Errorf("it is never started again\n%s", l.dump())
		}
		if n := crash(5 * time.Minute); n < 2 {
			t.Errorf("after it was well for hours its story doesn't begin anew: %d", n)
		}
	})
}

// When most hosts vanish at once it is us who are cut off.
func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 5, true)
		l.begin()
		defer l.kill()
		l.want(5)
		l.apply()
		defer l.keep(reconcile.Keeping{})()
		time.Sleep(2 * time.Minute)
		in, host := l.vm(0)
		vanished := 0
		for n := 1; n <= 5 && vanished < 3; n++ {
			if n != host {
				if err := l.world.Do(fmt.Sprintf("cut kvm%d", n)); err != nil {
					t.Fatal(err)
				}
				vanished++
			}
		}
		time.Sleep(30 * time.Second)
		if err := l.byHand(host).DestroyDomain(t.Context(), in.UUID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if s, _ := l.c.Standing(); s.CutOff == "" || !l.noted("cut off") {
			t.Errorf("standing %+v, history %q", s, l.notes())
		}
		if l.does(in.UUID) == hypervisor.PowerRunning {
			t.Error("something was done by who is cut off")
		}
		for n := 1; n <= 5; n++ {
			if err := l.world.Do(fmt.Sprintf("up kvm%d", n)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Minute)
		if s, _ := l.c.Standing(); s.CutOff != "" || len(s.Reports) != 0 {
			t.Errorf("standing %+v", s)
		}
		l.matches()
	})
}

// An event makes a look happen at once, not at the next interval; a lost event costs an interval.
func TestEventsAreHints(t *testing.T) {
	for _, lost := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 1, false)
			l.begin()
			defer l.kill()
			l.want(1)
			l.apply()
			defer l.keep(reconcile.Keeping{Interval: time.Hour})()
			time.Sleep(2 * time.Minute)
			if lost {
				if err := l.world.Do("drop * event"); err != nil {
					t.Fatal(err)
				}
			}
			in, host := l.vm(0)
			begun := time.Now()
			if err := l.byHand(host).DestroyDomain(t.Context(), in.UUID); err != nil {
				t.Fatal(err)
			}
			for l.does(in.UUID) != hypervisor.PowerRunning {
				time.Sleep(100 * time.Millisecond)
				if time.Since(begun) > 2*time.Hour {
					t.Fatal("never")
				}
			}
			took := time.Since(begun)
			most := 10 * time.Second
			if lost {
				most = 70 * time.Minute // the next look, and the one that confirms it
			}
			if took > most {
				t.Errorf("events lost: %v; it took %v", lost, took)
			}
		})
	}
}

// A drain that could not go on because a host was away goes on when it is back, after a while.
func TestUnfinishedGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		l.begin()
		defer l.kill()
		l.want(4)
		l.apply()
		defer l.keep(reconcile.Keeping{})()
		if err := l.world.Do("cut kvm1"); err != nil {
			t.Fatal(err)
		}
		l.mode(1, spec.ModeDrain)
		l.approve()
		time.Sleep(10 * time.Minute)
		if l.on()["kvm1"] == 0 {
			t.Fatalf("nothing to drain: %v", l.on())
		}
		if err := l.world.Do("up kvm1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if on := l.on(); on["kvm1"] != 0 || on["kvm2"] != 4 {
			t.Errorf("guests on %v; waits %+v\n%s", on, func() any { s, _ := l.c.Standing(); return s }(), l.dump())
		}
		l.matches()
	})
}

// What somebody cancelled stays undone until something is approved for it again.
func TestCancelledStaysCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, false)
		l.begin()
		defer l.kill()
		defer l.keep(reconcile.Keeping{})()
		l.c.Halt()
		l.want(2)
		l.approve()
		if _, err := l.rec.Propose(t.Context(), state.Command{Cancel: &state.Cancel{Reason: "cancelled by test"}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		for _, op := range l.rec.State().Operations.All() {
			if op.Phase == state.Pending && op.Action == state.Create {
				t.Errorf("%s of %s was approved again", op.Action, op.Instance)
			}
		}
	})
}

// With auto_apply none, and for what a guest would notice, somebody has to say so.
func TestMendingIsJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, false)
		l.settings(state.Settings{AutoApply: state.ApplyNone})
		l.begin()
		defer l.kill()
		l.want(1)
		l.apply()
		defer l.keep(reconcile.Keeping{})()
		in, host := l.vm(0)
		if err := l.byHand(host).DestroyDomain(t.Context(), in.UUID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if s, _ := l.c.Standing(); len(s.Waits) == 0 || len(s.Reports) != 1 || l.does(in.UUID) == hypervisor.PowerRunning {
			t.Errorf("standing %+v", s)
		}
		l.settings(state.Settings{})
		time.Sleep(time.Minute)
		if l.does(in.UUID) != hypervisor.PowerRunning {
			t.Errorf("it isn't started when that is allowed\n%s", l.dump())
		}
	})
}

// A fleet that is made while it is kept is kept from then on, and other events of a host don't put off what is to be
// confirmed there.
func TestKeptFromTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, false)
		l.begin()
		defer l.kill()
		defer l.keep(reconcile.Keeping{})()
		time.Sleep(100 * time.Millisecond)
		l.want(2)
		l.apply()
		time.Sleep(3 * time.Second)
		in, host := l.vm(0)
		other, _ := l.vm(1)
		h := l.byHand(host)
		begun := time.Now()
		if err := h.DestroyDomain(t.Context(), in.UUID); err != nil {
			t.Fatal(err)
		}
		for l.does(in.UUID) != hypervisor.PowerRunning {
			time.Sleep(500 * time.Millisecond)
			d, err := h.GetDomain(t.Context(), other.UUID)
			if err == nil {
				err = h.SetStamp(t.Context(), other.UUID, *d.Stamp) // an event, and no difference
			}
			if err != nil {
				t.Fatal(err)
			}
			if time.Since(begun) > 10*time.Second {
				t.Fatalf("not started after %v", time.Since(begun))
			}
		}
	})
}
