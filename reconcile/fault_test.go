package reconcile_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// TestLostAnswers loses one answer of each call in turn: the call took effect, or never arrived, and
// nobody knows.
func TestLostAnswers(t *testing.T) {
	methods := map[string][]string{
		"create":      {"SetClaim", "CreateVolume", "UploadVolume", "DefineDomain", "StartDomain", "GetDomain"},
		"live shared": {"Migrate", "GetDomain", "SetClaim"},
		"live local":  {"CreateVolume", "UploadVolume", "Migrate", "DeleteVolume", "GetDomain"},
		"cold local":  {"DefineDomain", "UndefineDomain", "DownloadVolume", "UploadVolume", "DeleteVolume"},
		"terminate":   {"ShutdownDomain", "UndefineDomain", "DeleteVolume"},
		"stop":        {"ShutdownDomain"},
		"start":       {"DefineDomain", "StartDomain"},
		"suspend":     {"SaveDomain"},
	}
	for _, s := range scenes {
		for _, method := range methods[s.name] {
			for _, kind := range []sim.FaultKind{sim.Lose, sim.Drop} {
				t.Run(fmt.Sprintf("%s/%s %s", s.name, kind, method), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						l := newLab(t, 3, s.shared)
						l.begin()
						defer l.kill()
						s.setup(l)
						l.apply()
						s.change(l)
						l.world.Inject(sim.Fault{Kind: kind, Method: method, Times: 1})
						l.apply()
						l.apply()
						l.converged()
						if got := l.total(); got != s.guests {
							t.Errorf("%d guests run, want %d\n%s", got, s.guests, l.dump())
						}
					})
				})
			}
		}
	}
}

// TestFailedLaunch tries other hosts, three in all, and leaves nothing on those that failed.
func TestFailedLaunch(t *testing.T) {
	for _, method := range []string{"CreateVolume", "UploadVolume", "DefineDomain", "StartDomain"} {
		for bad, want := range map[int]int{2: 1, 3: 0} {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 4, false)
				l.begin()
				defer l.kill()
				l.want(1)
				for i := range bad {
					l.world.Inject(sim.Fault{Kind: sim.Fail, Host: fmt.Sprintf("kvm%d", i+1), Method: method})
				}
				l.apply()
				l.sound()
				if got := l.total(); got != want {
					t.Errorf("%s fails on %d hosts: %d guests run, want %d\n%s", method, bad, got, want, l.dump())
				}
				for _, op := range l.rec.State().Operations.All() {
					if op.Action == state.Create && len(op.Tried) != 2 {
						t.Errorf("%s fails on %d hosts: tried %v before %s", method, bad, op.Tried, op.To)
					}
				}
			})
		}
	}
}

// TestFailedMigration leaves guests where they were, running, and nothing at the destination.
func TestFailedMigration(t *testing.T) {
	for _, shared := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 2, shared)
			l.begin()
			defer l.kill()
			l.want(2)
			l.apply()
			l.mode(1, spec.ModeDrain)
			l.world.Inject(sim.Fault{Kind: sim.Break, Host: "kvm1", Method: "Migrate"})
			before := l.on()
			l.apply()
			l.sound()
			if after := l.on(); after["kvm1"] != before["kvm1"] || l.total() != 2 {
				t.Errorf("before %v, after a failed drain %v\n%s", before, after, l.dump())
			}
			l.world.ClearFaults("*")
			l.apply()
			if l.on()["kvm1"] != 0 || l.total() != 2 {
				t.Errorf("after the next apply: %v\n%s", l.on(), l.dump())
			}
		})
	}
}

// TestHungHost sends a start to a libvirtd that hangs. The instance is frozen, not placed elsewhere, and
// when the host wakes up, with all that was sent to it, it runs once.
func TestHungHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3, true)
		hang := true
		l.opts.Trace = func(op state.Operation, step string, when operation.When) {
			if hang && step == "start" && when == operation.Before {
				hang = false
				l.world.SetCondition(l.hostName(op.To), sim.Hung)
			}
		}
		l.begin()
		defer l.kill()
		l.want(1)
		l.apply()
		inst, ok := l.rec.State().Instances.Get("instance.vm[0]")
		if !ok || inst.Phase != state.Frozen {
			t.Fatalf("a guest that may start any time is %+v\n%s", inst, l.dump())
		}
		l.apply()
		l.world.SetCondition(l.hostName(inst.Host), sim.Up)
		time.Sleep(time.Minute) // virtual: parked operations are tried again
		l.apply()
		l.matches()
		if l.total() != 1 {
			t.Errorf("%v guests run\n%s", l.on(), l.dump())
		}
	})
}

// TestLateStart lets a start take effect long after the next epoch has taken over.
func TestLateStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3, true)
		l.world.Inject(sim.Fault{Kind: sim.Late, Method: "StartDomain", After: 40 * time.Second, Times: 1})
		l.begin()
		l.want(1)
		ids := l.approve()
		_ = ids
		time.Sleep(100 * time.Millisecond)
		l.kill()
		l.begin()
		defer l.kill()
		l.apply()
		l.want(0)
		l.apply()
		time.Sleep(5 * time.Minute)
		l.apply()
		l.converged()
		if l.total() != 0 {
			t.Errorf("a late start runs %v\n%s", l.on(), l.dump())
		}
	})
}

// TestUnreachableHost: the rest is done, and what was there is left alone.
func TestUnreachableHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3, true)
		l.begin()
		defer l.kill()
		l.want(3)
		l.apply()
		l.world.SetCondition("kvm1", sim.Cut)
		l.want(6)
		plan := l.plan()
		if len(plan.Warnings) == 0 || plan.Summary.Unseen != 1 {
			t.Errorf("an unreachable host is no warning: %+v", plan.Warnings)
		}
		l.apply()
		l.sound()
		if l.total() != 6 || l.on()["kvm1"] != 1 {
			t.Errorf("guests: %v\n%s", l.on(), l.dump())
		}
	})
}

// TestOneFailureStopsNoOther: what doesn't depend on it is done, what does is cancelled with the reason.
func TestOneFailureStopsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		l.world.Inject(sim.Fault{Kind: sim.Fail, Host: "kvm1", Method: "SetClaim"})
		l.begin()
		defer l.kill()
		follow := l.c.Follow(t.Context())
		l.want(4)
		l.apply()
		l.sound()
		phases := map[state.Phase]int{}
		for _, op := range l.rec.State().Operations.All() {
			phases[op.Phase]++
			if op.Phase == state.Cancelled && !strings.Contains(op.Error, "failed") {
				t.Errorf("cancelled without the reason: %q", op.Error)
			}
		}
		if phases[state.Failed] != 1 || phases[state.Cancelled] != 2 || phases[state.Done] != 3 {
			t.Errorf("phases %v\n%s", phases, l.dump())
		}
		ends := map[string]bool{}
		for len(ends) < 6 {
			if p := <-follow; p.Operation.Phase.Final() {
				ends[p.Operation.ID] = true
			}
		}
	})
}

// TestOtherCluster: a host of somebody else's is not touched, at plan and while we work.
func TestOtherCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, false)
		other := hypervisor.Claim{Cluster: "3f0e1f4e-0000-4000-8000-000000000001", Fleet: "other", Epoch: 9}
		if err := l.world.Behind("kvm1").SetClaim(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		l.begin()
		defer l.kill()
		l.want(4)
		if plan := l.plan(); len(plan.Errors) == 0 {
			t.Errorf("a foreign host is no error")
		}
		l.apply()
		if l.on()["kvm1"] != 0 || l.on()["kvm2"] != 4 {
			t.Errorf("guests %v\n%s", l.on(), l.dump())
		}
		// And one that is taken between plan and work.
		if err := l.world.Behind("kvm2").ReleaseClaim(t.Context(), l.rec.State().ClusterID); err != nil {
			t.Fatal(err)
		}
		l.want(5)
		l.opts.Trace = nil
		ids := l.approveThen(func() {
			if err := l.world.Behind("kvm2").SetClaim(t.Context(), other); err != nil {
				t.Error(err)
			}
		})
		if err := l.c.Settle(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
		if l.total() != 4 {
			t.Errorf("a guest was started on another cluster's host: %v\n%s", l.on(), l.dump())
		}
	})
}

// approveThen approves with the loop halted, does something, and lets the loop go on.
func (l *lab) approveThen(meanwhile func()) []string {
	l.t.Helper()
	l.kill()
	l.c = reconcile.New(l.rec, l.world, l.opts)
	ids := l.approve()
	meanwhile()
	ctx, cancel := context.WithCancel(l.t.Context())
	l.stop, l.ran = cancel, make(chan error, 1)
	c, ran := l.c, l.ran
	go func() { ran <- c.Run(ctx) }()
	return ids
}

// TestForeignDomain: a domain that isn't ours is never touched, though it has the name or UUID.
func TestForeignDomain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, true)
		l.begin()
		defer l.kill()
		l.want(1)
		l.apply()
		inst, _ := l.rec.State().Instances.Get("instance.vm[0]")
		behind := l.world.Behind("kvm1")
		if err := behind.SetStamp(t.Context(), inst.UUID, hypervisor.Stamp{Cluster: "someone-else", Instance: inst.UUID}); err != nil {
			t.Fatal(err)
		}
		ids := l.approveThen(func() {})
		_ = ids
		l.want(0)
		l.apply()
		if l.total() != 1 {
			t.Errorf("somebody else's guest was stopped\n%s", l.dump())
		}
	})
}

// TestHalt: what runs is finished, nothing else starts, and Settle says so.
func TestHalt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3, true)
		l.opts.Parallelism = 1
		n := 0
		l.opts.Trace = func(_ state.Operation, step string, when operation.When) {
			if step == "verify" && when == operation.After {
				if n++; n == 4 { // three claims, one guest
					l.c.Halt()
				}
			}
		}
		l.begin()
		defer l.kill()
		l.want(5)
		l.apply()
		if l.total() != 1 {
			t.Errorf("%d guests run, want 1\n%s", l.total(), l.dump())
		}
		pending := 0
		for _, op := range l.rec.State().Operations.All() {
			if op.Phase == state.Pending {
				pending++
			}
		}
		if pending != 4 {
			t.Errorf("%d operations are pending, want 4", pending)
		}
	})
}

// TestAbort: hypervisors are asked to abort, and what was begun is undone.
func TestAbort(t *testing.T) {
	for _, shared := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 2, shared)
			l.begin()
			l.want(2)
			l.apply()
			before := l.on()
			l.world.Inject(sim.Fault{Kind: sim.Stick, Host: "kvm1", Method: "Migrate"})
			l.mode(1, spec.ModeDrain)
			ids := l.approve()
			time.Sleep(time.Second)
			l.c.Abort()
			if err := l.c.Settle(t.Context(), ids); err != nil {
				t.Fatal(err)
			}
			l.sound()
			if after := l.on(); after["kvm1"] != before["kvm1"] || after["kvm2"] != before["kvm2"] {
				t.Errorf("before %v, after %v\n%s", before, after, l.dump())
			}
			l.kill()
		})
	}
}

// TestDoctor names what is wrong.
func TestDoctor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3, true)
		l.begin()
		defer l.kill()
		l.world.SetCondition("kvm2", sim.Cut)
		l.world.Unmount("kvm3", "/srv/vms", true)
		wanted := l.snapshot()
		checks, err := l.c.Doctor(t.Context(), &wanted)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]planner.CheckStatus{}
		for _, c := range checks {
			found[c.Host.Label()+" "+c.Name] = c.Status
		}
		for name, want := range map[string]planner.CheckStatus{
			"kvm1 reachable": planner.CheckOK, "kvm2 reachable": planner.CheckFailed, "kvm1 pool /srv/vms": planner.CheckOK,
			"kvm3 pool /srv/vms": planner.CheckFailed, "kvm1 claim": planner.CheckOK, "kvm1 network lan": planner.CheckOK,
			"kvm1 migration": planner.CheckOK,
		} {
			if found[name] != want {
				t.Errorf("%s is %q, want %q", name, found[name], want)
			}
		}
	})
}

// TestHeldBackIsQuiet: what waits behind an operation whose host says nothing is tried now and then, not
// all the time, and Settle doesn't wait for it.
func TestHeldBackIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, true)
		l.spec.Scheduler.MaxIOOps = 1
		hang := true
		l.opts.Trace = func(_ state.Operation, step string, when operation.When) {
			if hang && step == "start" && when == operation.Before {
				hang = false
				l.world.SetCondition("kvm1", sim.Hung)
			}
		}
		l.begin()
		defer l.kill()
		l.want(4)
		l.apply()
		before := l.rec.State().Index
		time.Sleep(time.Hour)
		if n := l.rec.State().Index - before; n > 3600 {
			t.Errorf("%d entries in an hour of waiting", n)
		}
		l.world.SetCondition("kvm1", sim.Up)
		time.Sleep(time.Minute)
		l.apply()
		l.matches()
		if l.total() != 4 {
			t.Errorf("%d guests run\n%s", l.total(), l.dump())
		}
	})
}
