package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/drift"
	"github.com/novaplan/novaplan/spec"
)

// keeperName is who approves what is mended.
const keeperName = "controller"

// round is what the last round of acting came to.
type round struct {
	inventory  bool // hosts have something that the record should know
	waits      []string
	tries      drift.AllTries
	unfinished []drift.Report
	next       time.Time // when something that waits may be tried
	stale      bool      // the standing has to be published
}

// action is what one round of acting came to, as its goroutine tells it.
type action struct {
	result mended
	offer  bool
	err    error
}

// act begins a round of acting when there is reason to, one at a time: an offer first, then what is to be mended.
func (k *keeper) act(ctx context.Context) {
	now := time.Now()
	if k.acting || !k.actDue(now) {
		return
	}
	k.judgeReach()
	if offer, ok := k.how.Offers.take(); ok {
		policy, cutOff := k.how.Policy(), k.cutOff
		k.begin(ctx, func() action {
			_, err := k.c.offer(ctx, offer, policy, cutOff)
			if err != nil {
				k.how.Offers.giveBack(offer)
			}
			return action{offer: true, err: err}
		})
		return
	}
	tidy := now.After(k.tidied)
	if tidy {
		k.tidied = now.Add(jitter(k.how.Housekeeping))
		tidy = k.cutOff == ""
	}
	k.recall = false
	m := k.mending(now)
	k.begin(ctx, func() action {
		if tidy {
			if err := k.c.Housekeeping(ctx); err != nil && ctx.Err() == nil {
				k.c.log.Warn("housekeeping", "error", err)
			}
		}
		result, err := m.run(ctx)
		return action{result: result, err: err}
	})
}

func (k *keeper) begin(ctx context.Context, do func() action) {
	k.acting = true
	k.workers.Go(func() {
		a := do()
		select {
		case k.acted <- a:
		case <-ctx.Done():
		}
	})
}

// actDue reports whether there is reason to act now.
func (k *keeper) actDue(now time.Time) bool {
	at := k.actAt(now)
	return !at.IsZero() && !at.After(now)
}

// actAt returns when there is reason to act; zero: none is known.
func (k *keeper) actAt(now time.Time) time.Time {
	if !k.ready {
		return time.Time{} // a new leader looks at everything first
	}
	if k.how.Offers.waiting() {
		return now
	}
	at := k.tidied
	if k.recall {
		at = now
	}
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	sooner(k.round.next)
	if at.Before(k.notYet) {
		return k.notYet
	}
	return at
}

func (k *keeper) allSeen() bool {
	for _, h := range k.hosts {
		if !h.seen {
			return false
		}
	}
	return true
}

// judgeReach decides whether we are cut off: most of the hosts that we work with don't answer. Those that somebody
// knows to be off are fenced, and don't count.
func (k *keeper) judgeReach() {
	st := k.c.rec.State()
	total, silent := 0, 0
	for address, h := range k.hosts {
		recorded, ok := st.Hosts.Get(string(address))
		if !ok || !recorded.Claimed || h.spec.Mode == spec.ModeFenced {
			continue
		}
		total++
		if h.seen && !h.reached {
			silent++
		}
	}
	why := ""
	if total > 1 && 2*silent > total {
		why = fmt.Sprintf("%d of %d hosts don't answer: this controller is taken to be the one that is cut off, and does nothing", silent, total)
	}
	switch {
	case why != "" && k.cutOff == "":
		k.c.log.Error("cut off", "silent", silent, "hosts", total)
		k.ledger.tell("", "cut off: "+why)
	case why == "" && k.cutOff != "":
		k.c.log.Info("no longer cut off", "hosts", total)
		k.ledger.tell("", "cut off: no longer so")
	}
	if why != k.cutOff {
		k.round.stale = true
	}
	k.cutOff = why
}

// mending gathers what a round needs.
func (k *keeper) mending(now time.Time) *mending {
	st := k.c.rec.State()
	m := &mending{
		c: k.c, policy: k.how.Policy(), settings: st.Settings, now: now, cutOff: k.cutOff, inventory: k.round.inventory,
		news: k.ledger.news, about: k.ledger.about,
	}
	k.ledger.news, k.ledger.about = nil, nil
	k.round.inventory = false
	for key, e := range k.ledger.open {
		switch confirmed := k.confirmed(e, now); {
		case !confirmed, key.Kind == drift.Disk: // a guest without its disk can't be started
			m.hold = append(m.hold, key.Address)
		case key.Kind == drift.Renamed && drift.PolicyOf(st.Settings, key.Kind) == state.DriftMend:
			m.renamed = append(m.renamed, e.finding)
		}
	}
	for address, h := range k.hosts {
		if now.Before(h.steadyAt) {
			m.hold = append(m.hold, address)
		}
	}
	slices.Sort(m.hold)
	return m
}

// conclude takes in what a round came to.
func (k *keeper) conclude(a action) {
	k.acting = false
	k.round.stale = true
	now := time.Now()
	k.notYet = now.Add(max(restLeast, restShare*a.result.computing))
	if a.err != nil {
		k.c.log.Warn("can't keep the fleet", "error", a.err)
		k.recall = true
		k.notYet = now.Add(max(k.how.Interval/restShare, restLeast))
		return
	}
	if a.offer {
		k.recall = true
		return
	}
	k.round.waits, k.round.tries, k.round.unfinished = a.result.waits, a.result.tries, a.result.unfinished
	k.round.next = a.result.next
	for _, h := range k.hosts {
		if now.Before(h.steadyAt) && (k.round.next.IsZero() || h.steadyAt.Before(k.round.next)) {
			k.round.next = h.steadyAt
		}
	}
	for kind, n := range a.result.approved {
		k.how.Meter.Mending(kind, n)
	}
}
