package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
)

// TestTwoPeopleApply: whoever comes second gets the plan as it is now, with the revision that it starts from, and
// nothing is lost.
func TestTwoPeopleApply(t *testing.T) {
	h := newHouse(t)
	one, two := h.encoded(fleet(1, "")), h.encoded(fleet(2, ""))
	planOne, planTwo := h.plan(one), h.plan(two)
	request := func(s *wire.Spec, p *wire.Plan, id string) wire.ApplyRequest {
		return wire.ApplyRequest{Spec: s, Base: p.Base, Digest: p.Digest, Request: id}
	}
	var settled *wire.Result
	err := h.as(state.Operator).Apply(t.Context(), request(one, planOne, "first"), func(e wire.Event) error { settled = e.Result; return nil })
	if err != nil || settled == nil || len(settled.Failed)+len(settled.Left) > 0 {
		t.Fatalf("the first: %+v, %v", settled, err)
	}
	var stale *wire.Plan
	err = h.as(state.Operator).Apply(t.Context(), request(two, planTwo, "second"), func(e wire.Event) error {
		if e.Type != wire.EventStale {
			t.Errorf("event %s", e.Type)
		}
		stale = e.Plan
		return nil
	})
	if err != nil || stale == nil || stale.Base != 1 || stale.Summary.Create != 1 {
		t.Fatalf("the second gets %+v, %v", stale, err)
	}
	if st := h.rec.State(); st.Revision != 1 || st.Instances.Len() != 1 {
		t.Errorf("something was lost or done: revision %d, %d instances", st.Revision, st.Instances.Len())
	}
	err = h.as(state.Operator).Apply(t.Context(), request(two, stale, "third"), func(e wire.Event) error { settled = e.Result; return nil })
	if err != nil || settled.Done != 1 || h.rec.State().Revision != 2 {
		t.Errorf("the second again: %+v, %v", settled, err)
	}
}

// TestAnApplyOutlivesItsClient: the client goes away as soon as it is approved; the work is done, and somebody else may
// follow it.
func TestAnApplyOutlivesItsClient(t *testing.T) {
	h := newHouse(t)
	s := h.encoded(fleet(3, ""))
	p := h.plan(s)
	ctx, leave := context.WithCancel(t.Context())
	err := h.as(state.Operator).Apply(ctx, wire.ApplyRequest{Spec: s, Base: p.Base, Digest: p.Digest, Request: "q1"}, func(wire.Event) error {
		leave()
		return errors.New("gone")
	})
	if err == nil {
		t.Fatal("the client didn't go")
	}
	h.until("three instances run", func(st state.State) bool {
		n := 0
		for _, in := range st.Instances.All() {
			if in.Phase == state.Active {
				n++
			}
		}
		return n == 3
	})
	var result *wire.Result
	finished := map[string]int{}
	err = h.as(state.Viewer).Follow(t.Context(), "q1", func(e wire.Event) error {
		if e.Type == wire.EventFinished {
			finished[e.Operation.ID]++
		}
		result = e.Result
		return nil
	})
	if err != nil || result == nil || result.Done != 5 || len(finished) != 5 {
		t.Errorf("who follows hears %+v, %v, %v", result, finished, err)
	}
	if err := h.as(state.Viewer).Follow(t.Context(), "nobody", nil); api.AsError(err).Code != api.CodeNotFound {
		t.Errorf("a request that was never made: %v", err)
	}
}

// TestARequestIsAnsweredAgain: its answer was lost, so it is sent once more, and nothing happens twice.
func TestARequestIsAnsweredAgain(t *testing.T) {
	h := newHouse(t)
	s := h.encoded(fleet(1, ""))
	p := h.plan(s)
	req := wire.ApplyRequest{Spec: s, Base: p.Base, Digest: p.Digest, Request: "same"}
	ids := func() []string {
		var ids []string
		err := h.as(state.Operator).Apply(t.Context(), req, func(e wire.Event) error {
			for _, o := range e.Operations {
				ids = append(ids, o.ID)
			}
			if e.Type == wire.EventSettled && e.Result.Done != 3 {
				t.Errorf("result %+v", e.Result)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	first := ids()
	before := h.rec.State().Approvals
	if diff := cmp.Diff(first, ids()); diff != "" || len(first) != 3 {
		t.Errorf("operations (-first +again):\n%s", diff)
	}
	if h.rec.State().Approvals != before {
		t.Error("it was approved twice")
	}
	req.Digest = "another"
	if err := h.as(state.Operator).Apply(t.Context(), req, func(e wire.Event) error {
		if e.Type != wire.EventStale {
			t.Errorf("another plan under the same id: %s", e.Type)
		}
		return nil
	}); err != nil || h.rec.State().Approvals != before {
		t.Errorf("another plan under the same id: %v", err)
	}
}

// TestApplyWithoutAStream answers at once, and a stale one with a problem that holds the plan.
func TestApplyWithoutAStream(t *testing.T) {
	h := newHouse(t)
	s := h.encoded(fleet(1, ""))
	p := h.plan(s)
	status, body := h.raw(state.Operator, http.MethodPost, "/v1/apply", wire.ApplyRequest{Spec: s, Base: p.Base, Digest: "old"}, nil)
	if status != http.StatusConflict || !strings.Contains(body, `"code":"stale"`) || !strings.Contains(body, p.Digest) {
		t.Errorf("stale: %d %.300s", status, body)
	}
	status, body = h.raw(state.Operator, http.MethodPost, "/v1/apply", wire.ApplyRequest{Spec: s, Base: p.Base, Digest: p.Digest},
		http.Header{api.IdempotencyHeader: {"key-1"}})
	if status != http.StatusOK || !strings.Contains(body, `"request":"key-1"`) {
		t.Errorf("approved: %d %.300s", status, body)
	}
	h.until("it is done", func(st state.State) bool { return st.Instances.Len() == 1 && len(st.Running()) == 0 })
}

// TestWhoDidWhat: the history has who acted, as they proved it and not as they say, from where, in which request.
func TestWhoDidWhat(t *testing.T) {
	h := newHouse(t)
	h.apply(h.as(state.Operator), h.encoded(fleet(1, "")), "req-77")
	list, err := h.as(state.Viewer).History(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list.Events {
		if e.Kind != "revision" {
			continue
		}
		if !strings.HasPrefix(e.By, "token the operator (np_") || !strings.HasPrefix(e.From, "127.0.0.1:") || e.Request != "req-77" {
			t.Errorf("event %+v", e)
		}
		revs, err := h.as(state.Viewer).Revisions(t.Context())
		if err != nil || revs.Revisions[0].By != e.By || !revs.Revisions[0].InForce {
			t.Errorf("revisions %+v, %v", revs, err)
		}
		if !strings.Contains(h.log.String(), "request=req-77") {
			t.Error("the log doesn't know the request")
		}
		return
	}
	t.Errorf("no revision in %+v", list.Events)
}

// TestRollback plans and applies a kept revision, which becomes a new one.
func TestRollback(t *testing.T) {
	h := newHouse(t)
	c := h.as(state.Operator)
	h.apply(c, h.encoded(fleet(1, "")), "q1")
	h.apply(c, h.encoded(fleet(3, "")), "q2")
	back := wire.From{Revision: 1}
	p, err := c.Plan(t.Context(), wire.PlanRequest{From: back})
	if err != nil || p.Summary.Terminate != 2 {
		t.Fatalf("plan %+v, %v", p, err)
	}
	if err := c.Apply(t.Context(), wire.ApplyRequest{From: back, Base: p.Base, Digest: p.Digest, Request: "q3"}, func(wire.Event) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if st := h.rec.State(); st.Revision != 3 || st.Instances.Len() != 1 {
		t.Errorf("revision %d with %d instances", st.Revision, st.Instances.Len())
	}
	d, err := c.Diff(t.Context(), 1, 3)
	if err != nil || len(d.Blocks) != 0 {
		t.Errorf("1 and 3 differ: %+v, %v", d, err)
	}
	if _, err := c.Plan(t.Context(), wire.PlanRequest{From: wire.From{Revision: 9}}); api.AsError(err).Code != api.CodeNotFound {
		t.Errorf("a revision that isn't there: %v", err)
	}
}

// TestAPendingPlanIsApproved by its id, and is gone then.
func TestAPendingPlanIsApproved(t *testing.T) {
	h := newHouse(t)
	c := h.as(state.Operator)
	h.apply(c, h.encoded(fleet(1, "")), "q1")
	rev, chunks, err := state.EncodeSpec(fleet(2, ""))
	if err != nil {
		t.Fatal(err)
	}
	for i := range chunks {
		h.propose(state.Command{PutChunk: &state.PutChunk{Digest: chunks[i].Digest, Data: chunks[i].Data}})
	}
	h.propose(state.Command{SubmitPlan: &state.SubmitPlan{Plan: state.PendingPlan{
		ID: "p1", Manifest: *rev, Base: 1, Digest: "d", Summary: "1 instance to create", Why: []string{"auto_apply is none"}, From: "/srv/spec",
	}}})
	list, err := h.as(state.Viewer).PendingPlans(t.Context())
	if err != nil || len(list.Plans) != 1 || list.Plans[0].From != "/srv/spec" {
		t.Fatalf("waiting: %+v, %v", list, err)
	}
	status, err := h.as(state.Viewer).Status(t.Context(), wire.StatusRequest{})
	if err != nil || len(status.Waiting) != 1 {
		t.Errorf("status says nothing of what waits: %+v, %v", status.Waiting, err)
	}
	from := wire.From{Pending: "p1"}
	p, err := c.Plan(t.Context(), wire.PlanRequest{From: from})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(t.Context(), wire.ApplyRequest{From: from, Base: p.Base, Digest: p.Digest, Request: "q2"}, func(wire.Event) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if st := h.rec.State(); st.Plans.Len() != 0 || st.Instances.Len() != 2 {
		t.Errorf("%d plans wait, %d instances", st.Plans.Len(), st.Instances.Len())
	}
	if err := c.DropPlan(t.Context(), "p1"); api.AsError(err).Code != api.CodeNotFound {
		t.Errorf("drop what is gone: %v", err)
	}
}

// TestCancelWithdrawsOnlyOnesOwn in a controller that many use.
func TestCancelWithdrawsOnlyOnesOwn(t *testing.T) {
	h := newHouse(t)
	approve := func(id, request string) {
		h.propose(state.Command{Approve: &state.Approve{
			Stack: "default", Base: h.rec.State().Revision, PlanDigest: id, Request: request,
			Operations: []state.Operation{{ID: id, Action: state.ClaimHost, To: "host.nowhere", After: []string{}}},
		}})
	}
	h2 := &house{t: t, rec: h.rec, tokens: h.tokens}
	ports := h.ports
	h2.server = h2.serve(ports)
	h.apply(h.as(state.Operator), h.encoded(fleet(0, "")), "q0")
	h.ctl.Halt()
	approve("9-1", "mine")
	approve("9-2", "theirs")
	c := h2.as(state.Operator)
	if err := c.Cancel(t.Context(), wire.CancelRequest{Request: "mine"}); err != nil {
		t.Fatal(err)
	}
	mine, _ := h.rec.State().Operations.Get("9-1")
	theirs, _ := h.rec.State().Operations.Get("9-2")
	if mine.Phase != state.Cancelled || theirs.Phase == state.Cancelled {
		t.Errorf("mine is %s, theirs %s", mine.Phase, theirs.Phase)
	}
	if err := c.Cancel(t.Context(), wire.CancelRequest{}); api.AsError(err).Code != api.CodeInvalid {
		t.Errorf("everybody's: %v", err)
	}
}

func TestTokensThroughTheAPI(t *testing.T) {
	h := newHouse(t)
	admin := h.as(state.Admin)
	if _, err := admin.Bootstrap(t.Context()); api.AsError(err).Code != api.CodeRefused {
		t.Errorf("a first token after others: %v", err)
	}
	made, err := admin.CreateToken(t.Context(), wire.TokenRequest{Name: "ci", Role: "viewer", Seconds: 3600})
	if err != nil {
		t.Fatal(err)
	}
	if made.By == "" || made.Expires.IsZero() || !made.Live {
		t.Errorf("the new token: %+v", made.Token)
	}
	h.tokens["ci"] = made.Secret
	if _, err := h.as("ci").Revisions(t.Context()); err != nil {
		t.Errorf("the new token doesn't let in: %v", err)
	}
	list, err := admin.Tokens(t.Context())
	if err != nil || len(list.Tokens) != 4 {
		t.Errorf("tokens %+v, %v", list, err)
	}
	if err := admin.RevokeToken(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.as("ci").Revisions(t.Context()); api.AsError(err).Code != api.CodeUnauthorized {
		t.Errorf("a revoked token: %v", err)
	}
	h.until("the failed login is in the history", func(st state.State) bool {
		for _, e := range st.History.All() {
			if e.Kind == "login" && e.From == "127.0.0.1" && strings.Contains(e.Message, made.ID) {
				return true
			}
		}
		return false
	})
	if _, err := admin.CreateToken(t.Context(), wire.TokenRequest{Name: "x", Role: "root"}); api.AsError(err).Code != api.CodeInvalid {
		t.Errorf("an unknown role: %v", err)
	}
}

func TestSettingsThroughTheAPI(t *testing.T) {
	h := newHouse(t)
	want := wire.Settings{AutoApply: "none", CapCount: 3, CapPercent: 10, Drift: map[string]string{"stopped": "report"}}
	if err := h.as(state.Admin).SetSettings(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, err := h.as(state.Viewer).Settings(t.Context())
	if diff := cmp.Diff(&want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := h.as(state.Admin).SetSettings(t.Context(), wire.Settings{AutoApply: "some"}); api.AsError(err).Code != api.CodeInvalid {
		t.Errorf("nonsense: %v", err)
	}
}
