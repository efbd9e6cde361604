package reconcile_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// TestAheadBetweenPlanAndStep raises a domain's generation after the plan was approved: somebody with a later
// record works on it, so it is not terminated.
func TestAheadBetweenPlanAndStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		l.begin()
		l.want(1)
		l.apply()
		l.kill()
		guest := l.world.Truth().Domains[0]
		stamp := *guest.Stamp
		stamp.Generation += 5
		l.opts.Trace = func(_ state.Operation, step string, when operation.When) {
			if step == "look" && when == operation.Before {
				if err := l.world.Behind(guest.Host).SetStamp(t.Context(), guest.UUID, stamp); err != nil {
					t.Error(err)
				}
			}
		}
		l.begin()
		defer l.kill()
		l.want(0)
		l.apply()
		if l.total() != 1 {
			t.Errorf("a guest that the record is behind of was terminated\n%s", l.dump())
		}
		if in, _ := l.rec.State().Instances.Get("instance.vm[0]"); in == nil || in.Phase != state.Frozen {
			t.Errorf("not frozen: %+v", in)
		}
	})
}

// TestDeposedBeforeStart takes the leadership away after the define: only who leads may start a guest.
func TestDeposedBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		l.begin()
		l.want(1)
		l.kill()
		deposed := false
		l.opts.Trace = func(_ state.Operation, step string, when operation.When) {
			if step == "start" && when == operation.Before && !deposed {
				deposed = true
				l.rec.Depose()
			}
		}
		l.begin()
		ids := l.approve()
		_ = l.c.Settle(t.Context(), ids)
		if !deposed || l.total() != 0 {
			t.Errorf("deposed %v, then %d guests were started", deposed, l.total())
		}
		l.kill()
		l.begin()
		defer l.kill()
		l.apply()
		l.matches()
		if l.total() != 1 {
			t.Errorf("%d guests run in the next epoch", l.total())
		}
	})
}

// TestDefinedIsNotBuiltAgain goes on with a create whose guest runs already: its disks are the guest's, so nothing is
// made or written any more.
func TestDefinedIsNotBuiltAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		bomb := make(chan struct{})
		over := make(chan struct{})
		l.opts.Trace = func(op state.Operation, step string, when operation.When) {
			if op.Action == state.Create && step == "verify" && when == operation.Before {
				close(bomb)
				<-over
			}
		}
		l.spec.Hosts = l.spec.Hosts[:1]
		l.begin()
		l.want(1)
		ids := l.approve()
		c := l.c
		go func() { _ = c.Settle(t.Context(), ids) }()
		<-bomb
		l.stop()
		close(over)
		l.kill()
		l.opts.Trace = nil
		for _, method := range []string{"CreateVolume", "UploadVolume", "DeleteVolume"} {
			l.world.Inject(sim.Fault{Kind: sim.Fail, Method: method})
		}
		l.begin()
		defer l.kill()
		l.apply()
		l.converged()
		if got := l.world.Truth().Domains[0].Starts; got != 1 {
			t.Errorf("started %d times", got)
		}
	})
}

// TestSourceIsKeptUntilTheMoveIsOnRecord: when the source's disks are deleted, the record has the guest's arrival.
func TestSourceIsKeptUntilTheMoveIsOnRecord(t *testing.T) {
	for _, power := range []spec.Power{spec.Running, spec.Stopped} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 2, false)
			seen := 0
			l.opts.Trace = func(op state.Operation, step string, when operation.When) {
				if step != "clean" || when != operation.Before {
					return
				}
				seen++
				if now, _ := l.rec.State().Operations.Get(op.ID); !slices.Contains(now.Steps, "moved") {
					t.Errorf("%s: the source is cleaned after %v", op.ID, now.Steps)
				}
			}
			l.begin()
			defer l.kill()
			l.want(1)
			l.power(power)
			l.apply()
			l.mode(1, spec.ModeDrain)
			l.apply()
			l.converged()
			if seen != 1 {
				t.Errorf("cleaned %d times", seen)
			}
		})
	}
}

// TestTrashInUse: disks of an instance that came back are not deleted with the trash, whatever it is called now.
func TestTrashInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		l.begin()
		defer l.kill()
		l.want(1)
		l.apply()
		in, _ := l.rec.State().Instances.Get("instance.vm[0]")
		back := *in
		back.Address = "instance.back"
		l.want(0)
		l.apply()
		result, err := l.rec.Propose(t.Context(), state.Command{Restore: &state.Restore{Instances: []state.Instance{back}}})
		if err != nil || result.Refused != nil {
			t.Fatal(err, result.Refused)
		}
		time.Sleep(48 * time.Hour) // virtual
		if err := l.c.Housekeeping(t.Context()); err == nil {
			t.Error("nothing is said of trash that is in use")
		}
		if root := back.Disks[0].Path; !l.files()[root] {
			t.Errorf("%s was deleted", root)
		}
	})
}
