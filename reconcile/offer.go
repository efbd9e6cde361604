package reconcile

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/planner/drift"
	"github.com/novaplan/novaplan/spec"
)

// Offer is a spec that nobody has agreed to yet: a folder was saved.
type Offer struct {
	Spec    *spec.Spec // sealed
	By      string     // who watches the folder
	Message string
	Commit  string    // of the folder, when it is in git
	Folder  string    // that the spec was read from
	Saved   time.Time // of its newest file; zero: not known
	Done    func(Offered, error)
}

// Offered is what became of an Offer. One of Same, Refused, Waiting and Approved says it.
type Offered struct {
	Plan     *planner.Plan // nil when Same
	Same     bool          // it is what is in force
	Refused  []planner.Message
	Waiting  string   // id of the pending plan
	Why      []string // it waits, a clause each
	Revision uint64   // in force now
	Request  string   // of an approved one: what it causes is followed by it
	// Operations are what was approved, and what was under way.
	Operations []string
}

// Offers holds the newest spec that was offered until somebody takes it up. A newer one takes its place: whatever was
// saved in between is nobody's wish any more.
type Offers struct {
	wake chan struct{}
	mu   sync.Mutex
	next *Offer
}

// NewOffers returns a place for offers, with none in it.
func NewOffers() *Offers { return &Offers{wake: make(chan struct{}, 1)} }

// Put leaves an offer in place of the one before.
func (o *Offers) Put(offer Offer) {
	o.mu.Lock()
	o.next = &offer
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *Offers) waiting() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.next != nil
}

func (o *Offers) take() (Offer, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next == nil {
		return Offer{}, false
	}
	offer := *o.next
	o.next = nil
	return offer, true
}

// giveBack leaves an offer that could not be dealt with, unless there is a newer one.
func (o *Offers) giveBack(offer Offer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next == nil {
		o.next = &offer
	}
}

// Offer decides about a spec that nobody agreed to yet: it is approved when policy lets that be done unasked, and
// kept as a pending plan otherwise. One of which nothing can be done changes nothing.
func (c *Controller) Offer(ctx context.Context, o Offer, policy planner.Policy) (Offered, error) {
	return c.offer(ctx, o, policy, "")
}

// offerTries is how often a plan may become stale before it is left for the next time.
const offerTries = 5

func (c *Controller) offer(ctx context.Context, o Offer, policy planner.Policy, cutOff string) (out Offered, err error) {
	if o.Done != nil {
		defer func() { o.Done(out, err) }()
	}
	if err := c.leading(); err != nil {
		return Offered{}, err
	}
	for range offerTries {
		out, again, err := c.offerOnce(ctx, o, policy, cutOff)
		if err != nil || !again {
			return out, err
		}
	}
	return Offered{}, fmt.Errorf("the plan for %s was stale %d times in a row", o.Folder, offerTries)
}

// offerOnce computes and decides. again: the plan became stale meanwhile.
func (c *Controller) offerOnce(ctx context.Context, o Offer, policy planner.Policy, cutOff string) (out Offered, again bool, err error) {
	st := c.rec.State()
	opts := planner.Options{Leave: drift.Unmended(st.Settings)}
	plan, _, proposed, err := c.compute(ctx, o.Spec, opts)
	if err != nil {
		return Offered{}, false, err
	}
	out = Offered{Plan: plan, Revision: st.Revision}
	same, err := sameAsInForce(st, proposed.Desired.Spec)
	switch {
	case err != nil:
		return Offered{}, false, err
	case same:
		out.Same = true
		return out, false, c.dropSuperseded(ctx, o)
	case plan.Blocked() != nil || len(plan.Errors) > 0 && plan.Empty():
		out.Refused = plan.Errors
		return out, false, nil
	}
	a := planner.Approval{
		Spec: o.Spec, Options: opts, Base: plan.Base, Digest: plan.Digest, By: o.By, Message: o.Message, Commit: o.Commit,
		Request: uuid.NewString(), Origin: o.Folder,
	}
	verdict := planner.Judge(plan, policy)
	out.Why = verdict.Why
	if why := older(st, o); why != "" {
		out.Why = append(out.Why, why)
	}
	if cutOff != "" {
		out.Why = append(out.Why, cutOff)
	}
	if len(out.Why) > 0 {
		out.Waiting, err = c.Submit(ctx, Submitted{Approval: a, Summary: summarize(plan), Why: out.Why, Folder: o.Folder})
		return out, false, err
	}
	approved, err := c.Approve(ctx, a)
	if err != nil || approved.Stale {
		return Offered{}, err == nil, err
	}
	out.Plan, out.Revision, out.Request, out.Operations = approved.Plan, approved.Revision, a.Request, approved.Operations
	return out, false, nil
}

// sameAsInForce reports whether a spec says what the one in force says.
func sameAsInForce(st state.State, s *spec.Spec) (bool, error) {
	manifest, _, err := state.EncodeSpec(s)
	if err != nil {
		return false, fmt.Errorf("offer: %w", err)
	}
	current, ok := st.RevisionByNumber(st.Revision)
	return ok && current.Digest == manifest.Digest, nil
}

// older says why an offer isn't news: something else was applied after its folder was saved. A member whose copy of the
// folder lags behind must not take back what is in force.
func older(st state.State, o Offer) string {
	current, ok := st.RevisionByNumber(st.Revision)
	if !ok || o.Saved.IsZero() || !o.Saved.Before(current.At) {
		return ""
	}
	return fmt.Sprintf("the folder was saved %s, before revision %d was applied by %s", o.Saved.UTC().Format(time.RFC3339), current.Number, current.By)
}

// dropSuperseded forgets what waits of a folder that says again what is in force.
func (c *Controller) dropSuperseded(ctx context.Context, o Offer) error {
	st := c.rec.State()
	for id, p := range st.Plans.All() {
		if p.From == o.Folder && p.Manifest.Stack == o.Spec.Stack {
			if err := c.Drop(ctx, id, "the folder says what is in force again", o.By); err != nil {
				return err
			}
		}
	}
	return nil
}

// summarize says in a line what a plan does.
func summarize(p *planner.Plan) string {
	s := p.Summary
	text := ""
	for _, part := range []struct {
		n    int
		what string
	}{
		{s.Create, "to create"}, {s.Terminate, "to terminate"}, {s.Live + s.Cold, "to migrate"}, {s.Evacuate, "to evacuate"},
		{s.Change, "to change"}, {s.Restart, "to restart"}, {s.Interrupt, "interrupted"},
	} {
		if part.n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d %s", part.n, part.what)
		}
	}
	if text == "" {
		return "only the record changes"
	}
	return text
}
