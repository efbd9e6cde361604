package reconcile_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
)

// TestReadOnly: looking and planning work on a record that can't be written, and change nothing.
func TestReadOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		l.want(2)
		c := reconcile.New(reconcile.ReadOnly{At: l.rec.State()}, l.world, reconcile.Options{})
		defer c.Close()
		wanted := l.snapshot()
		plan, _, err := c.Plan(t.Context(), &wanted, planner.Options{})
		if err != nil || plan.Summary.Create != 2 {
			t.Fatalf("plan %+v, %v", plan, err)
		}
		if _, err := c.Approve(t.Context(), planner.Approval{Spec: &wanted}); !errors.Is(err, reconcile.ErrNotLeader) {
			t.Errorf("approve: %v", err)
		}
		if err := c.Run(t.Context()); !errors.Is(err, reconcile.ErrNotLeader) {
			t.Errorf("run: %v", err)
		}
		if truth := l.world.Truth(); len(truth.Domains)+len(truth.Disks) != 0 {
			t.Errorf("a plan left %+v", truth)
		}
	})
}

// TestStale: an approval of something else than what is planned now commits nothing.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		l.begin()
		defer l.kill()
		l.want(2)
		wanted := l.snapshot()
		plan := l.plan()
		approved, err := l.c.Approve(t.Context(), planner.Approval{Spec: &wanted, Base: plan.Base, Digest: "sha256:other"})
		if err != nil || !approved.Stale || approved.Plan.Digest != plan.Digest {
			t.Errorf("approved %+v, %v", approved, err)
		}
		if l.rec.State().Revision != 0 {
			t.Error("a stale plan was committed")
		}
	})
}

// TestTrash: disks are deleted after their retention, not before, through any host of a shared pool.
func TestTrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		l.begin()
		defer l.kill()
		l.want(2)
		l.apply()
		l.want(0)
		l.apply()
		disks := func() (n int) {
			for _, d := range l.world.Truth().Disks {
				if strings.Contains(d.Path, "-root-") {
					n++
				}
			}
			return n
		}
		time.Sleep(23 * time.Hour)
		if err := l.c.Housekeeping(t.Context()); err != nil || disks() != 2 {
			t.Fatalf("after 23 h: %d disks, %v", disks(), err)
		}
		time.Sleep(2 * time.Hour)
		l.world.Unmount("kvm1", "/srv/vms", true)
		l.world.SetCondition("kvm2", sim.Cut)
		if err := l.c.Housekeeping(t.Context()); err == nil || disks() != 2 || l.rec.State().Trash.Len() != 2 {
			t.Errorf("no host has the share: %d disks, %d in the trash, %v", disks(), l.rec.State().Trash.Len(), err)
		}
		l.world.SetCondition("kvm2", sim.Up)
		if err := l.c.Housekeeping(t.Context()); err != nil || disks() != 0 || l.rec.State().Trash.Len() != 0 {
			t.Errorf("after 25 h: %d disks, %d in the trash, %v", disks(), l.rec.State().Trash.Len(), err)
		}
		l.sound()
	})
}

// TestTakeover rebuilds a lost record from what is on the hosts; guests keep running and their UUIDs.
func TestTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3, false)
		l.begin()
		l.want(5)
		l.apply()
		l.kill()
		before := l.world.Truth()
		l.rec = cluster.NewMemory(state.Sim)
		l.begin()
		defer l.kill()
		if plan := l.plan(); len(plan.Errors) == 0 || plan.Summary.Create != 0 {
			t.Errorf("a fresh record would create %d, errors %v", plan.Summary.Create, plan.Errors)
		}
		wanted := l.snapshot()
		if err := l.c.Takeover(t.Context(), &wanted, nil, "test"); err != nil {
			t.Fatal(err)
		}
		l.apply()
		l.converged()
		after := l.world.Truth()
		for i := range before.Domains {
			a, b := before.Domains[i], after.Domains[i]
			if a.UUID != b.UUID || a.Host != b.Host || a.Starts != b.Starts || !a.BootedAt.Equal(b.BootedAt) {
				t.Errorf("guest %s was %+v, is %+v", a.Name, a, b)
			}
		}
	})
}
