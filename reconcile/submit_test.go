package reconcile_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile"
)

// A plan that waits is approved by its id, is replaced by a newer one of the stack, and is dropped when it is no longer
// wanted; submitting it again changes nothing.
func TestSubmittedPlanWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		l.begin()
		defer l.kill()
		submit := func(instances int) (string, *planner.Plan) {
			l.want(instances)
			plan, wanted := l.plan(), l.snapshot()
			id, err := l.c.Submit(t.Context(), reconcile.Submitted{
				Approval: planner.Approval{Spec: &wanted, Base: plan.Base, Digest: plan.Digest, By: "me"},
				Summary:  "some", Why: []string{"it is much"}, Folder: "/spec",
			})
			if err != nil {
				t.Fatal(err)
			}
			return id, plan
		}
		first, _ := submit(1)
		second, plan := submit(2)
		before := l.rec.State().Index
		again, _ := submit(2)
		if first == second || again != second {
			t.Errorf("ids %s, %s and %s", first, second, again)
		}
		st := l.rec.State()
		kept, ok := st.Plans.Get(second)
		if !ok || st.Plans.Len() != 1 {
			t.Fatalf("%d plans wait after index %d", st.Plans.Len(), before)
		}
		if diff := cmp.Diff([]string{"it is much"}, kept.Why); diff != "" || kept.From != "/spec" || kept.By != "me" {
			t.Errorf("%+v %s", kept, diff)
		}
		wanted := l.snapshot()
		approved, err := l.c.Approve(t.Context(), planner.Approval{
			Spec: &wanted, Base: plan.Base, Digest: plan.Digest, By: "you", Request: "r", Pending: second,
		})
		if err != nil || approved.Stale {
			t.Fatalf("approve: %+v, %v", approved, err)
		}
		if err := l.c.Settle(t.Context(), approved.Operations); err != nil {
			t.Fatal(err)
		}
		if n := l.rec.State().Plans.Len(); n != 0 {
			t.Errorf("%d plans wait after the approval", n)
		}
		l.converged()

		third, _ := submit(1)
		for range 2 {
			if err := l.c.Drop(t.Context(), third, "something else was saved", "me"); err != nil {
				t.Error(err)
			}
		}
		if n := l.rec.State().Plans.Len(); n != 0 {
			t.Errorf("%d plans wait after they were dropped", n)
		}
	})
}
