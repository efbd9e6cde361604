package reconcile_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// TestLateCallsOfAMove moves guests on local pools away and back while calls have no answer and take effect ten minutes
// later: on their old hosts, where the guests are again. Every disk stays, and the guests boot from it.
//
// The hosts keep nothing of that out: with the names that moves used to have (disk.VolumeName, the same wherever the
// guest was) late deletions destroy the disks of "live" and of "cold".
func TestLateCallsOfAMove(t *testing.T) {
	for _, method := range []string{"DeleteVolume", "CreateVolume", "UploadVolume", "Migrate", "DefineDomain", "UndefineDomain"} {
		for _, power := range []spec.Power{spec.Running, spec.Stopped} {
			for _, times := range []int{1, 3, 9} { // how many calls in a row
				t.Run(fmt.Sprintf("%s/%s/%d", method, power, times), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { moveWithLateCalls(t, method, power, times) })
				})
			}
		}
	}
}

func moveWithLateCalls(t *testing.T, method string, power spec.Power, times int) {
	l := newLab(t, 2, false)
	l.lateCreates = method == "CreateVolume"
	l.begin()
	defer func() { l.kill() }()
	l.want(2)
	l.apply()
	l.power(power)
	l.apply()
	began := time.Now()
	for _, drained := range []int{1, 2, 1, 2} {
		l.world.Inject(sim.Fault{Kind: sim.Late, Method: method, After: 10 * time.Minute, Times: times})
		l.mode(1, spec.ModeActive)
		l.mode(2, spec.ModeActive)
		l.mode(drained, spec.ModeDrain)
		l.apply()
		l.apply() // what failed is planned again
		l.world.ClearFaults("*")
	}
	if took := time.Since(began); took > 9*time.Minute {
		t.Fatalf("the moves took %s: nothing came late", took)
	}
	time.Sleep(20 * time.Minute) // virtual
	l.mode(2, spec.ModeActive)
	l.apply()
	if err := l.c.Housekeeping(t.Context()); err != nil {
		t.Error(err)
	}
	l.keptDisks()
	l.power(spec.Stopped)
	l.apply()
	l.power(spec.Running)
	l.apply()
	l.matches()
	if l.total() != 2 {
		t.Errorf("%d guests run, want 2\n%s", l.total(), l.dump())
	}
}

// keptDisks fails unless every recorded disk is where the record says.
func (l *lab) keptDisks() {
	l.t.Helper()
	there := map[string]bool{}
	for _, d := range l.world.Truth().Disks {
		there[d.Host+":"+d.Path] = true
	}
	for _, in := range l.rec.State().Instances.All() {
		for _, d := range in.Disks {
			if at := strings.TrimSuffix(l.place(in.Pool.Shared, in.Host), ":") + ":" + d.Path; !there[at] {
				l.t.Errorf("%s of %s is gone: %s", d.Role, in.Address, at)
			}
		}
	}
}

// TestMoveOntoAnotherFile moves guests to a host whose copy of the image has another name: their disks stand on that.
func TestMoveOntoAnotherFile(t *testing.T) {
	for _, power := range []spec.Power{spec.Running, spec.Stopped} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 2, false)
			l.begin()
			defer l.kill()
			l.mode(2, spec.ModeDrain)
			l.want(2)
			l.apply()
			l.power(power)
			l.apply()
			there, pool := l.world.Behind("kvm2"), hypervisor.Pool{Path: "/srv/vms"}
			if _, err := there.EnsurePool(t.Context(), pool); err != nil {
				t.Fatal(err)
			}
			given := hypervisor.VolumeSpec{Name: "np-image-000000000000.ok", Format: "raw", Bytes: 1024} // up for good
			if _, err := there.CreateVolume(t.Context(), pool, given); err != nil {
				t.Fatal(err)
			}
			l.mode(2, spec.ModeActive)
			l.mode(1, spec.ModeDrain)
			l.apply()
			l.converged()
			for _, d := range l.world.Truth().Disks {
				if strings.Contains(d.Path, "-root-") && d.BackingPath != "/srv/vms/np-image-000000000000-1.qcow2" {
					t.Errorf("%s:%s stands on %q", d.Host, d.Path, d.BackingPath)
				}
			}
			l.power(spec.Stopped)
			l.apply()
			l.power(spec.Running)
			l.apply()
			l.converged()
			if l.total() != 2 {
				t.Errorf("%d guests run, want 2\n%s", l.total(), l.dump())
			}
		})
	}
}

// TestUndoneCreateStaysUndone kills the controller while it undoes a create, with a deletion under way that takes effect
// ten minutes later. Whoever goes on makes no disk of the same name.
func TestUndoneCreateStaysUndone(t *testing.T) {
	for _, at := range []string{"undo config-drive", "undo disks"} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { killWhileUndoing(t, at) })
		})
	}
}

func killWhileUndoing(t *testing.T, at string) {
	l := newLab(t, 1, false)
	reached, over := make(chan struct{}), make(chan struct{})
	l.opts.Trace = func(_ state.Operation, step string, when operation.When) {
		if step != at {
			return
		}
		if when == operation.Before {
			l.world.Inject(sim.Fault{Kind: sim.Late, Method: "DeleteVolume", After: 10 * time.Minute, Times: 1})
			return
		}
		close(reached)
		<-over
	}
	l.begin()
	l.want(1)
	l.world.Inject(sim.Fault{Kind: sim.Fail, Method: "DefineDomain", Times: 1})
	ids := l.approve()
	settled := make(chan error, 1)
	c := l.c
	go func() { settled <- c.Settle(t.Context(), ids) }()
	<-reached
	l.stop()
	close(over)
	<-settled
	l.kill()
	l.opts.Trace = nil
	l.begin()
	defer l.kill()
	l.apply()
	l.apply() // what failed is planned again
	time.Sleep(20 * time.Minute)
	l.keptDisks()
	l.matches()
	if l.total() != 1 {
		t.Errorf("%d guests run, want 1\n%s", l.total(), l.dump())
	}
}

// TestMigrationComesLate lets migrations take effect a little later than they were waited for: while they are tried
// again, while they are undone, and after that. The record follows the guests, and their disks.
func TestMigrationComesLate(t *testing.T) {
	for _, after := range []time.Duration{
		time.Millisecond, 5 * time.Millisecond, 15 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, 700 * time.Millisecond,
		2 * time.Second, 20 * time.Second, time.Minute,
	} {
		for times := range 6 {
			t.Run(fmt.Sprintf("%s/%d", after, times+1), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLab(t, 2, false)
					l.world = sim.New(sim.Options{Latency: time.Millisecond, MigrationSpeed: 4 << 30})
					l.begin()
					defer l.kill()
					l.want(2)
					l.apply()
					l.world.Inject(sim.Fault{Kind: sim.Late, Method: "Migrate", After: after, Times: times + 1})
					l.mode(1, spec.ModeDrain)
					l.apply()
					l.world.ClearFaults("*")
					time.Sleep(5 * time.Minute)
					if err := l.c.Housekeeping(t.Context()); err != nil {
						t.Error(err)
					}
					l.apply()
					l.keptDisks()
					l.matches()
					if l.on()["kvm2"] != 2 {
						t.Errorf("guests are on %v\n%s", l.on(), l.dump())
					}
				})
			})
		}
	}
}
