package reconcile_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/spec"
)

// offer offers the lab's spec as a folder would.
func (l *lab) offer(policy planner.Policy) reconcile.Offered {
	l.t.Helper()
	wanted := l.snapshot()
	out, err := l.c.Offer(l.t.Context(), reconcile.Offer{Spec: &wanted, By: "test", Folder: "/srv/fleet"}, policy)
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

// What becomes of a saved folder under each policy.
func TestOffer(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*lab)
		policy planner.Policy
		want   string // approved, waiting, same or refused
		why    string
	}{
		"nothing new":         {func(*lab) {}, planner.Policy{}, "same", ""},
		"more":                {func(l *lab) { l.want(12) }, planner.Policy{}, "approved", ""},
		"one less, safe":      {func(l *lab) { l.want(9) }, planner.Policy{}, "waiting", "1 instance would be terminated"},
		"one less, all":       {func(l *lab) { l.want(9) }, planner.Policy{Auto: planner.AutoAll}, "approved", ""},
		"many less, all":      {func(l *lab) { l.want(3) }, planner.Policy{Auto: planner.AutoAll}, "waiting", "the cap is 1"},
		"many less, no cap":   {func(l *lab) { l.want(3) }, planner.Policy{Auto: planner.AutoAll, Cap: planner.Cap{Off: true}}, "approved", ""},
		"many less, wide cap": {func(l *lab) { l.want(3) }, planner.Policy{Auto: planner.AutoAll, Cap: planner.Cap{Share: 0.7}}, "approved", ""},
		"drain":               {func(l *lab) { l.mode(1, spec.ModeDrain) }, planner.Policy{}, "approved", ""},
		"more, none":          {func(l *lab) { l.want(12) }, planner.Policy{Auto: planner.AutoNone}, "waiting", "auto_apply is none"},
		"host with guests":    {func(l *lab) { l.spec.Hosts = l.spec.Hosts[1:] }, planner.Policy{Auto: planner.AutoAll}, "refused", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 2, true)
				l.begin()
				defer l.kill()
				l.want(10)
				l.apply()
				revision := l.rec.State().Revision
				c.change(l)
				out := l.offer(c.policy)
				got := "nothing"
				switch {
				case out.Same:
					got = "same"
				case len(out.Refused) > 0:
					got = "refused"
				case out.Waiting != "":
					got = "waiting"
				case out.Revision > revision:
					got = "approved"
				}
				if got != c.want || !strings.Contains(strings.Join(out.Why, "; "), c.why) {
					t.Errorf("%s, %q; want %s, %q", got, out.Why, c.want, c.why)
				}
				if waits := l.rec.State().Plans.Len(); (waits == 1) != (c.want == "waiting") {
					t.Errorf("%d plans wait", waits)
				}
				if now := l.rec.State().Revision; (now > revision) != (c.want == "approved") {
					t.Errorf("revision %d, was %d", now, revision)
				}
			})
		})
	}
}

// The newest spec counts: what waited is replaced, and dropped when the folder is as before.
func TestOfferSupersedes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		l.begin()
		defer l.kill()
		l.want(4)
		l.apply()
		l.want(2)
		first := l.offer(planner.Policy{}).Waiting
		l.want(1)
		second := l.offer(planner.Policy{}).Waiting
		if _, waits := l.rec.State().Plans.Get(first); waits || first == second {
			t.Errorf("%s still waits beside %s", first, second)
		}
		if again := l.offer(planner.Policy{}).Waiting; again != second {
			t.Errorf("the same plan waits as %s, before as %s", again, second)
		}
		l.want(4)
		if out := l.offer(planner.Policy{}); !out.Same || l.rec.State().Plans.Len() != 0 {
			t.Errorf("%+v, %d plans wait", out, l.rec.State().Plans.Len())
		}
	})
}

// A pending plan that the fleet has outrun is planned again when it is approved.
func TestApproveWhatWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		l.begin()
		defer l.kill()
		l.want(4)
		l.apply()
		before := l.snapshot()
		l.want(3)
		out := l.offer(planner.Policy{})
		l.spec = before
		l.mode(1, spec.ModeCordon)
		l.apply() // somebody else was faster
		if _, waits := l.rec.State().Plans.Get(out.Waiting); waits {
			t.Fatal("what waited of the stack still does, though a newer revision is in force")
		}
		l.want(3)
		out = l.offer(planner.Policy{})
		pending, _ := l.rec.State().Plans.Get(out.Waiting)
		wanted, err := l.rec.State().SpecOf(&pending.Manifest)
		if err != nil {
			t.Fatal(err)
		}
		in, host := l.vm(3)
		if err := l.byHand(host).DestroyDomain(t.Context(), in.UUID); err != nil {
			t.Fatal(err)
		}
		other, host := l.vm(0)
		if err := l.byHand(host).DestroyDomain(t.Context(), other.UUID); err != nil { // now there is more to do
			t.Fatal(err)
		}
		a := planner.Approval{Spec: wanted, Base: pending.Base, Digest: pending.Digest, By: "test", Request: "r1", Pending: pending.ID}
		approved, err := l.c.Approve(t.Context(), a)
		if err != nil || !approved.Stale {
			t.Fatalf("%+v, %v; want a new plan", approved, err)
		}
		a.Base, a.Digest = approved.Plan.Base, approved.Plan.Digest
		if approved, err = l.c.Approve(t.Context(), a); err != nil || approved.Stale {
			t.Fatalf("%+v, %v", approved, err)
		}
		if err := l.c.Settle(t.Context(), approved.Operations); err != nil {
			t.Fatal(err)
		}
		if l.rec.State().Plans.Len() != 0 || l.total() != 3 {
			t.Errorf("%d plans wait, %d guests", l.rec.State().Plans.Len(), l.total())
		}
	})
}

// A member whose copy of the folder is older than what was applied since must not take that back.
func TestOfferOfAnOldCopyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		l.begin()
		defer l.kill()
		l.want(2)
		l.apply()
		saved := time.Now()
		old := l.snapshot()
		time.Sleep(time.Minute)
		l.want(3)
		l.apply()
		for _, c := range []struct {
			saved time.Time
			waits bool
		}{{saved, true}, {time.Now().Add(time.Second), false}} {
			out, err := l.c.Offer(t.Context(), reconcile.Offer{Spec: &old, By: "test", Folder: "/srv/fleet", Saved: c.saved}, planner.Policy{Auto: planner.AutoAll})
			if err != nil || (out.Waiting != "") != c.waits {
				t.Errorf("saved %v: %+v, %v", c.saved, out, err)
			}
		}
	})
}

// Of several saves in a row only the last counts, and a keeper takes it up while an earlier one is carried out.
func TestOffersAreOneQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, true)
		l.begin()
		defer l.kill()
		offers := reconcile.NewOffers()
		defer l.keep(reconcile.Keeping{Offers: offers, Policy: func() planner.Policy { return planner.Policy{Auto: planner.AutoAll, Cap: planner.Cap{Off: true}} }})()
		var outcomes []reconcile.Offered
		done := make(chan reconcile.Offered, 10)
		for n := 1; n <= 5; n++ {
			l.want(n)
			wanted := l.snapshot()
			offers.Put(reconcile.Offer{Spec: &wanted, By: "test", Folder: "/srv/fleet", Done: func(o reconcile.Offered, err error) {
				if err != nil {
					t.Error(err)
				}
				done <- o
			}})
		}
		time.Sleep(time.Minute)
		close(done)
		for o := range done {
			outcomes = append(outcomes, o)
		}
		if len(outcomes) > 2 || l.total() != 5 {
			t.Errorf("%d offers were taken up, %d guests run\n%s", len(outcomes), l.total(), l.dump())
		}
		l.matches()
	})
}

// While most hosts don't answer nothing that is saved goes without a word.
func TestOfferWhileCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3, true)
		l.settings(state.Settings{AutoApply: state.ApplyAll, CapPercent: 100})
		l.begin()
		defer l.kill()
		l.want(3)
		l.apply()
		offers := reconcile.NewOffers()
		defer l.keep(reconcile.Keeping{Offers: offers})()
		time.Sleep(2 * time.Minute)
		for _, line := range []string{"cut kvm1", "cut kvm2"} {
			if err := l.world.Do(line); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Minute)
		l.want(5)
		wanted := l.snapshot()
		offers.Put(reconcile.Offer{Spec: &wanted, By: "test", Folder: "/srv/fleet"})
		time.Sleep(time.Minute)
		if n := l.rec.State().Plans.Len(); n != 1 || l.rec.State().Revision != 1 {
			t.Errorf("%d plans wait, revision %d", n, l.rec.State().Revision)
		}
	})
}
