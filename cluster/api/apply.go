package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
)

func (h *Handler) applyRoutes() {
	schema := func(v any) *huma.Schema { return schemaOf(h.huma, v) }
	register(h, operators(), huma.Operation{
		OperationID: "apply", Method: http.MethodPost, Path: "/v1/apply", Tags: []string{"apply"},
		Summary: "Approve a plan that was seen",
		Description: "The work goes on when the client goes away. With Accept: text/event-stream the answer is what happens, until " +
			"nothing of it is under way any more. When the plan would be another one now, nothing is approved and the problem " +
			"(or the event stale) holds the new plan. A repeated Idempotency-Key is answered with what became of the first.",
		MaxBodyBytes: maxSpecBody, SkipValidateBody: true,
		Responses: map[string]*huma.Response{"200": {Description: "It is approved", Content: map[string]*huma.MediaType{
			"application/json":  {Schema: schema(wire.Applied{})},
			"text/event-stream": {Schema: schema(wire.Event{})},
		}}},
	}, h.applyPlan)
	register(h, viewers(), huma.Operation{
		OperationID: "follow", Method: http.MethodGet, Path: "/v1/requests/{request}/events", Tags: []string{"apply"},
		Summary: "What happens to the operations of a request, until nothing of it is under way any more",
		Responses: map[string]*huma.Response{"200": {Description: "Events", Content: map[string]*huma.MediaType{
			"text/event-stream": {Schema: schema(wire.Event{})},
		}}},
	}, h.followRequest)
	register(h, operators(), huma.Operation{
		OperationID: "cancel", Method: http.MethodPost, Path: "/v1/cancel", Tags: []string{"apply"},
		Summary:          "Start nothing further of a request; what runs is finished",
		SkipValidateBody: true,
	}, h.cancel)
}

type applyInput struct {
	Accept string `header:"Accept"`
	Key    string `header:"Idempotency-Key" maxLength:"64"`
	Body   wire.ApplyRequest
}

// applyPlan approves a plan and tells what becomes of it. The work is the controller's: it goes on
// when the client goes away.
func (h *Handler) applyPlan(ctx context.Context, req *applyInput) (*huma.StreamResponse, error) {
	if h.Executor == nil {
		return nil, h.readOnly()
	}
	approval, err := h.approvalOf(ctx, req)
	if err != nil {
		return nil, err
	}
	most := 0
	if !h.Shared {
		most = 1
	}
	if !h.applying.begin(time.Now(), most) {
		return nil, &wire.Error{Code: CodeBusy, Message: "another apply is running"}
	}
	streams := strings.Contains(req.Accept, eventStream)
	progress := h.Executor.Follow(ctx) // before Approve: nothing is missed
	approved, err := h.Executor.Approve(context.WithoutCancel(ctx), approval)
	if err != nil || approved.Stale && !streams {
		h.applying.end()
		if err == nil {
			err = h.stale(ctx, approved.Plan, &approval)
		}
		return nil, err
	}
	h.follows.put(approval.Request, approved.Operations)
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer h.applying.end()
		_, w := humago.Unwrap(hc)
		if !streams {
			writeJSON(w, wire.Applied{
				Request: approval.Request, Revision: approved.Revision, Operations: h.recorded(approved.Operations), Repeated: approved.Repeated,
			})
			return
		}
		h.stream(ctx, newStream(w), &approval, &approved, progress)
	}}, nil
}

// stream tells what became of an approval until it is settled.
func (h *Handler) stream(ctx context.Context, s *stream, a *planner.Approval, approved *planner.Approved, progress <-chan planner.Progress) {
	if approved.Stale {
		s.send(wire.Event{FormatVersion: wire.EventFormat, Type: wire.EventStale, Plan: h.wirePlan(approved.Plan, nil, a.Spec, a.Options)})
		return
	}
	s.send(wire.Event{
		FormatVersion: wire.EventFormat, Type: wire.EventApproved,
		Revision: approved.Revision, Operations: h.recorded(approved.Operations),
	})
	h.follow(ctx, s, approved.Operations, progress)
}

func (h *Handler) stale(ctx context.Context, plan *planner.Plan, a *planner.Approval) error {
	p := wire.ProblemOf(&wire.Error{
		Code: CodeStale, Message: "the fleet or its record changed since the plan was made",
		Detail: []string{"Nothing was changed. The plan as it is now comes with this answer."},
	}, statusOf(CodeStale), requestOf(ctx))
	p.Plan = h.wirePlan(plan, nil, a.Spec, a.Options)
	return p
}

func (h *Handler) approvalOf(ctx context.Context, in *applyInput) (planner.Approval, error) {
	req := &in.Body
	opts, err := Options(req.Options)
	if err != nil {
		return planner.Approval{}, err
	}
	c := callOf(ctx)
	a := planner.Approval{
		Options: opts, Base: req.Base, Digest: req.Digest, By: c.by(req.By), Origin: c.caller.From,
		Message: req.Message, Commit: req.Commit, Pending: req.From.Pending,
	}
	for _, id := range []string{in.Key, req.Request, c.request} {
		if a.Request == "" {
			a.Request = id
		}
	}
	if !plainID(a.Request) {
		return a, &wire.Error{Code: CodeInvalid, Message: "a request id has up to 64 letters, digits, dots, dashes and underscores"}
	}
	a.Spec, err = h.wanted(req.Spec, req.From)
	return a, err
}

// by is who acts, for the record. A command may say so for the person at it; everybody else is who they proved to be.
func (c *call) by(claimed string) string {
	if c.caller.Kind == auth.Local && claimed != "" {
		return claimed
	}
	return c.caller.String()
}

func (h *Handler) recorded(ids []string) []wire.Operation {
	st := h.Planner.State()
	out := make([]wire.Operation, 0, len(ids))
	for _, id := range ids {
		if o, ok := st.Operations.Get(id); ok {
			out = append(out, fromOperation(o))
		}
	}
	return out
}

// cancel starts nothing further: of one request in a controller that many use, of all in a command's own.
func (h *Handler) cancel(ctx context.Context, req *in[wire.CancelRequest]) (*out[struct{}], error) {
	if h.Executor == nil {
		return nil, h.readOnly()
	}
	if h.Shared {
		return &out[struct{}]{}, h.withdraw(ctx, req.Body.Request)
	}
	if req.Body.Abort {
		h.Executor.Abort()
	} else {
		h.Executor.Halt()
	}
	return answer(struct{}{})
}

// withdraw takes the operations of a request back that nobody began.
func (h *Handler) withdraw(ctx context.Context, request string) error {
	if h.Record == nil || request == "" {
		return &wire.Error{Code: CodeInvalid, Message: "whose operations? Name the request"}
	}
	st := h.Record.State()
	var pending []string
	for _, id := range st.OperationsOf(request) {
		if o, _ := st.Operations.Get(id); o.Phase == state.Pending {
			pending = append(pending, id)
		}
	}
	if len(pending) == 0 {
		return nil
	}
	c := callOf(ctx)
	command := &state.Cancel{Operations: pending, Reason: "cancelled by " + c.caller.String(), By: c.caller.String()}
	if st.Level >= state.LevelServed {
		command.Request, command.From = c.request, c.caller.From
	}
	return h.propose(ctx, state.Command{Cancel: command})
}

// propose commits a command and makes a refusal an error.
func (h *Handler) propose(ctx context.Context, c state.Command) error {
	if h.Record == nil {
		return h.readOnly()
	}
	r, err := h.Record.Propose(ctx, c)
	if err != nil {
		return err
	}
	if r.Refused != nil {
		return r.Refused
	}
	return nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client went away: nobody is left to tell
}
