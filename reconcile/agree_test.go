package reconcile_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// TestRecordAndStampAgree: what a redefinition stamps is what the record says, and a controller that is
// killed in the middle of one goes on with it.
func TestRecordAndStampAgree(t *testing.T) {
	for _, killed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 2, true)
			reached := make(chan struct{}, 1)
			if killed {
				l.opts.Trace = func(op state.Operation, step string, when operation.When) {
					if op.Action == state.Redefine && step == "define" && when == operation.After {
						select {
						case reached <- struct{}{}:
						default:
						}
						time.Sleep(time.Second) // of virtual time: the kill comes first
					}
				}
			}
			l.begin()
			l.want(1)
			l.apply()
			l.spec.Moved = []spec.Moved{{From: "instance.vm[0]", To: `instance.vm["a"]`}}
			l.spec.Instances[0].Address = `instance.vm["a"]`
			if killed {
				l.approve()
				<-reached
				l.kill()
				l.begin()
			}
			l.apply()
			defer l.kill()
			l.converged()
			in, _ := l.rec.State().Instances.Get(`instance.vm["a"]`)
			for _, d := range l.world.Truth().Domains {
				if d.Stamp.Generation != 2 || in.Generation != 2 || d.Stamp.Address != `instance.vm["a"]` {
					t.Errorf("stamped %d as %s, recorded %d; want 2 of both", d.Stamp.Generation, d.Stamp.Address, in.Generation)
				}
			}
		})
	}
}

// TestHostsAreGivenBack: a host that left the spec is released by a controller that never saw its block, and is
// forgotten; all of them are after a destroy, as soon as the trash is empty.
func TestHostsAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3, false)
		l.begin()
		l.want(0)
		l.apply()
		l.spec.Hosts = l.spec.Hosts[:2]
		l.c.Halt()
		ids := l.approve()
		l.kill()
		l.begin()
		defer func() { l.kill() }()
		if err := l.c.Settle(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
		l.converged()
		if n := l.rec.State().Hosts.Len(); n != 2 {
			t.Errorf("%d hosts in the record\n%s", n, l.dump())
		}
		l.want(2)
		l.apply()
		l.destroy()
		if n := l.rec.State().Hosts.Len(); n != 2 || l.total() != 0 {
			t.Errorf("%d hosts in the record, %d guests: their disks are in the trash\n%s", n, l.total(), l.dump())
		}
		l.kill() // who gives them back has only the record to know them from
		l.begin()
		time.Sleep(25 * time.Hour)
		if err := l.c.Housekeeping(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.destroy()
		if n := l.rec.State().Hosts.Len(); n != 0 {
			t.Errorf("%d hosts in the record\n%s", n, l.dump())
		}
		l.sound()
	})
}

// destroy terminates everything and waits until all is settled.
func (l *lab) destroy() {
	l.t.Helper()
	all := planner.Options{Destroy: true}
	plan, _, err := l.c.Plan(l.t.Context(), nil, all)
	if err != nil {
		l.t.Fatal(err)
	}
	approved, err := l.c.Approve(l.t.Context(), planner.Approval{Options: all, Base: plan.Base, Digest: plan.Digest, By: "test", Request: fmt.Sprintf("destroy-%d", l.rec.State().Index)})
	if err != nil || approved.Stale {
		l.t.Fatalf("approve: stale %v, %v", approved.Stale, err)
	}
	if err := l.c.Settle(l.t.Context(), approved.Operations); err != nil {
		l.t.Fatal(err)
	}
}

// TestRedefinedGuestIsPutRightOnce: the guest runs on with what it was started with, which is no reason to define
// it again in every plan.
func TestRedefinedGuestIsPutRightOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, true)
		l.begin()
		defer l.kill()
		l.want(1)
		l.apply()
		h, err := l.world.Open(t.Context(), hypervisor.Target{Name: "kvm1", URI: "sim://kvm1"})
		if err != nil {
			t.Fatal(err)
		}
		in, _ := l.rec.State().Instances.Get("instance.vm[0]")
		d, err := h.GetDomain(t.Context(), in.UUID)
		if err != nil {
			t.Fatal(err)
		}
		def := hypervisor.Definition{UUID: d.UUID, Name: d.Name, Stamp: *d.Stamp, VCPUs: 7, MemoryMiB: d.MemoryMiB}
		if err := h.DefineDomain(t.Context(), def); err != nil {
			t.Fatal(err)
		}
		if p := l.plan(); len(p.Operations) != 1 || p.Operations[0].Action != state.Redefine {
			t.Fatalf("an edited definition: %+v", p.Operations)
		}
		l.apply()
		l.converged()
	})
}
