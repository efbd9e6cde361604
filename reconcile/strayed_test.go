package reconcile_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// TestLateMigrationWhileAnotherIsTried: a migration is given up and tried to another host; while the source says nothing,
// the first one takes effect. The guest is at neither end of the second: it is recorded where it is, and work goes on.
func TestLateMigrationWhileAnotherIsTried(t *testing.T) {
	for _, shared := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 3, shared)
			var once sync.Once
			l.opts.Trace = func(op state.Operation, step string, when operation.When) {
				if step == "look" && when == operation.Before && len(op.Tried) > 0 {
					once.Do(func() {
						l.world.SetCondition("kvm1", sim.Cut)
						time.AfterFunc(50*time.Second, func() { l.world.SetCondition("kvm1", sim.Up) })
					})
				}
			}
			l.begin()
			defer l.kill()
			l.mode(2, spec.ModeDrain)
			l.mode(3, spec.ModeDrain)
			l.want(1)
			l.apply()
			l.mode(2, spec.ModeActive)
			l.mode(3, spec.ModeActive)
			l.mode(1, spec.ModeDrain)
			l.world.Inject(sim.Fault{Kind: sim.Late, Method: "Migrate", Host: "kvm1", After: 30 * time.Second, Times: 2})
			l.approve()
			time.Sleep(10 * time.Minute)
			l.heal()
			time.Sleep(5 * time.Minute)
			l.mode(1, spec.ModeDrain)
			l.apply()
			l.matches()
			for a, in := range l.rec.State().Instances.All() {
				if in.Phase != state.Active {
					t.Errorf("%s is %s: %s", a, in.Phase, in.Why)
				}
			}
			if on := l.on(); on["kvm1"] != 0 || l.total() != 1 {
				t.Errorf("guests run on %v\n%s", on, l.dump())
			}
		})
	}
}

// TestLateMigrationBeforeTerminate: a migration is given up, and takes effect while the guest is being terminated: it is
// gone from its host then, and runs where it was to go. That is not its end, and its disks are not rubbish.
func TestLateMigrationBeforeTerminate(t *testing.T) {
	for _, at := range []string{"look", "shutdown", "cut", "undefine"} {
		for _, shared := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/shared=%t", at, shared), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { terminateWhileItMoves(t, at, shared) })
			})
		}
	}
}

func terminateWhileItMoves(t *testing.T, at string, shared bool) {
	l := newLab(t, 2, shared)
	var once sync.Once
	l.opts.Trace = func(op state.Operation, step string, when operation.When) {
		if op.Action == state.Terminate && step == at && when == operation.Before {
			once.Do(func() { time.Sleep(35 * time.Minute) }) // virtual: the migration takes effect
		}
	}
	l.begin()
	defer l.kill()
	l.mode(2, spec.ModeDrain)
	l.want(1)
	l.apply()
	l.world.Inject(sim.Fault{Kind: sim.Late, Method: "Migrate", Host: "kvm1", After: 30 * time.Minute, Times: 9})
	l.mode(2, spec.ModeActive)
	l.mode(1, spec.ModeDrain)
	l.apply()
	l.world.ClearFaults("*")
	l.mode(1, spec.ModeActive)
	l.want(0)
	l.apply()
	if in := l.rec.State().Instances.Len(); in != l.total() {
		t.Fatalf("%d instances are recorded, %d guests run\n%s", in, l.total(), l.dump())
	}
	if err := l.c.Housekeeping(t.Context()); err != nil {
		t.Error(err)
	}
	l.apply()
	l.matches()
	if l.total() != 0 {
		t.Errorf("%d guests run, want none\n%s", l.total(), l.dump())
	}
}

// TestColdMoveUndoneTooLate kills the controller when the source's definition of a cold move is gone and that isn't recorded
// yet. Whoever goes on is refused by the destination once: the guest has arrived all the same, and is recorded there.
func TestColdMoveUndoneTooLate(t *testing.T) {
	for _, shared := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 2, shared)
			l.begin()
			l.mode(2, spec.ModeDrain)
			l.want(1)
			l.apply()
			l.power(spec.Stopped)
			l.apply()
			in, _ := l.vm(0)
			reached := make(chan struct{})
			l.opts.Trace = func(_ state.Operation, step string, when operation.When) {
				if step == "moved" && when == operation.Before {
					if err := l.byHand(1).UndefineDomain(t.Context(), in.UUID); err != nil {
						t.Error(err)
					}
					l.stop()
					close(reached)
				}
			}
			l.kill()
			l.begin()
			l.mode(2, spec.ModeActive)
			l.mode(1, spec.ModeDrain)
			l.approve()
			<-reached
			l.kill()
			l.opts.Trace = nil
			l.world.Inject(sim.Fault{Kind: sim.Fail, Method: "SetClaim", Host: "kvm2", Times: 1})
			l.begin()
			defer l.kill()
			l.apply()
			time.Sleep(10 * time.Minute)
			l.apply()
			l.matches()
			l.keptDisks()
			if in, host := l.vm(0); in.Phase != state.Active || host != 2 {
				t.Errorf("%s on kvm%d, want it active on kvm2\n%s", in.Phase, host, l.dump())
			}
		})
	}
}
