package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/spec"
)

// asked returns the controller that a client would be led to: mostly the leader's, at times that of a
// member that still takes itself for it.
func (s *simulation) asked() (*member, *reconcile.Controller) {
	var leading []*member
	for _, m := range s.members {
		if c, _ := m.controller(); c != nil && m.up() {
			leading = append(leading, m)
		}
	}
	if len(leading) == 0 {
		return nil, nil
	}
	m := leading[s.random.IntN(len(leading))]
	c, _ := m.controller()
	return m, c
}

// apply plans and approves what is wanted, as the API does, and notes what was acknowledged. It does
// not wait for operations.
func (s *simulation) apply(patience time.Duration, opts planner.Options) (ids []string, done bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for range 10 {
		m, c := s.asked()
		if c == nil {
			return nil, false
		}
		wanted := s.wishes.spec()
		plan, _, err := c.Plan(ctx, wanted, opts)
		if err != nil {
			s.log("plan on %s: %v", m.id, err)
			return nil, false
		}
		s.asks++
		request := fmt.Sprintf("ask-%d", s.asks)
		approved, err := c.Approve(ctx, planner.Approval{
			Spec: wanted, Options: opts, Base: plan.Base, Digest: plan.Digest, By: "simulated", Request: request,
		})
		switch {
		case err != nil:
			s.log("approve on %s: %v", m.id, err)
			return nil, false
		case !approved.Stale:
			s.acknowledged(m, approved, wanted, plan)
			return approved.Operations, true
		}
	}
	return nil, false
}

// acknowledged notes a promise: this revision is the record's from now on.
func (s *simulation) acknowledged(m *member, a planner.Approved, wanted *spec.Spec, plan *planner.Plan) {
	s.counts.Applies++
	manifest, _, err := state.EncodeSpec(wanted)
	if err != nil {
		s.broken("the spec can't be encoded: %v", err)
		return
	}
	s.newest() // this member may not live to the next look
	s.ledger.acked[a.Revision] = manifest.Digest
	s.log("%s acknowledged revision %d: %+v, %d errors", m.id, a.Revision, plan.Summary, len(plan.Errors))
}

// spoil proposes a spec that can't be: nothing may come of it (I9).
func (s *simulation) spoil() {
	m, c := s.asked()
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	wanted := s.wishes.spec()
	for i := range wanted.Instances {
		wanted.Instances[i].Flavor = "flavor.none"
	}
	plan, _, err := c.Plan(ctx, wanted, planner.Options{})
	if err != nil {
		return
	}
	before := s.newest().Revision
	_, err = c.Approve(ctx, planner.Approval{Spec: wanted, Base: plan.Base, Digest: plan.Digest, Request: fmt.Sprintf("spoil-%d", s.asks)})
	s.log("%s was asked for what can't be (%d errors): %v", m.id, len(plan.Errors), err)
	if plan.Blocked() != nil && (err == nil || s.newest().Revision != before) {
		s.broken("I9: a spec that can't be made revision %d", s.newest().Revision)
	}
}

// keepHouse deletes what is due, as a server does now and then.
func (s *simulation) keepHouse() {
	m, c := s.asked()
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.Housekeeping(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		s.log("housekeeping on %s: %v", m.id, err)
	}
}

// takeOver gives the operator's word for what stays frozen though no operation is about it any more: the hosts are all
// there, and they are right.
func (s *simulation) takeOver() {
	_, c := s.asked()
	if c == nil {
		return
	}
	frozen := 0
	st := s.newest()
	for a, in := range st.Instances.All() {
		if in.Phase == state.Frozen && st.Busy(in.Address) == nil {
			s.log("%s is frozen for good: %s; it is %v", a, in.Why, s.whereabouts(in.UUID))
			frozen++
		}
	}
	if frozen == 0 {
		return
	}
	s.counts.Frozen += frozen
	if err := c.Takeover(context.Background(), nil, nil, "operator"); err != nil {
		s.log("takeover: %v", err)
	}
}
