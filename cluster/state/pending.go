package state

import (
	"fmt"
	"time"
)

// MaxPendingPlans bounds the plans that wait: one for each stack, which a newer one replaces.
const MaxPendingPlans = 100

// PendingPlan is a spec that somebody has to agree to before it comes into force: more would be done than may be
// done unasked. Its operations are computed when it is approved.
type PendingPlan struct {
	ID       string    `json:"id"`
	Manifest Revision  `json:"manifest"` // of the spec; Number is 0
	Base     uint64    `json:"base"`     // revision in force when it was computed
	Digest   string    `json:"digest"`   // of the plan as it was then
	Summary  string    `json:"summary"`  // for people, such as "2 instances to create, 1 to terminate"
	Why      []string  `json:"why"`      // it waits, a sentence each
	From     string    `json:"from"`     // folder of the spec, on the machine that read it
	At       time.Time `json:"at"`
	By       string    `json:"by,omitempty"` // who watches that folder
}

// SubmitPlan keeps a spec until it is approved, in place of what waited for the same stack.
type SubmitPlan struct {
	Plan    PendingPlan `json:"plan"`
	Request string      `json:"request,omitempty"`
}

// DropPlan forgets a plan that waited.
type DropPlan struct {
	ID      string `json:"id"`
	Reason  string `json:"reason,omitempty"`
	By      string `json:"by,omitempty"`
	Request string `json:"request,omitempty"`
	From    string `json:"from,omitempty"`
}

func (t *transition) submitPlan(c *SubmitPlan) *Refusal {
	if refused := t.served(); refused != nil {
		return refused
	}
	plan := c.Plan
	switch _, taken := t.Plans.Get(plan.ID); {
	case plan.ID == "" || len(plan.Manifest.Chunks) == 0:
		return refuse(Invalid, "pending plan %q with %d chunks", plan.ID, len(plan.Manifest.Chunks))
	case taken:
		return nil // the proposer tried again
	}
	if _, refused := t.chunks(plan.Manifest.Chunks); refused != nil {
		return refused
	}
	t.supersede(plan.Manifest.Stack, "plan "+plan.ID)
	if t.Plans.Len() >= MaxPendingPlans {
		return refuse(LimitReached, "%d plans wait for approval", t.Plans.Len())
	}
	plan.At, plan.Manifest.Number = t.Time, 0
	t.Plans = t.Plans.With(plan.ID, &plan)
	t.event(Event{Kind: "plan", By: plan.By, Request: c.Request, From: plan.From,
		Message: fmt.Sprintf("plan %s waits for approval: %s", plan.ID, plan.Summary)})
	return nil
}

func (t *transition) dropPlan(c *DropPlan) *Refusal {
	if refused := t.served(); refused != nil {
		return refused
	}
	if _, ok := t.Plans.Get(c.ID); !ok {
		return refuse(Unknown, "no plan %s waits", c.ID)
	}
	t.Plans = t.Plans.Without(c.ID)
	message := "plan " + c.ID + " dropped"
	if c.Reason != "" {
		message += ": " + c.Reason
	}
	t.event(Event{Kind: "plan", By: c.By, Request: c.Request, From: c.From, Message: message})
	return nil
}

// supersede drops the plans of a stack that has a newer one.
func (t *transition) supersede(stack, by string) {
	var old []string
	for id, p := range t.Plans.All() {
		if p.Manifest.Stack == stack {
			old = append(old, id)
		}
	}
	for _, id := range old {
		t.Plans = t.Plans.Without(id)
		t.event(Event{Kind: "plan", Message: "plan " + id + " superseded by " + by})
	}
}

// fulfil takes the plan that an approval names off the list. One that isn't there any more was superseded.
func (t *transition) fulfil(c *Approve) *Refusal {
	if c.Plan == "" {
		return nil
	}
	if refused := t.served(); refused != nil {
		return refused
	}
	if _, ok := t.Plans.Get(c.Plan); !ok {
		return refuse(Stale, "plan %s doesn't wait any more: a newer one took its place", c.Plan)
	}
	t.Plans = t.Plans.Without(c.Plan)
	return nil
}
