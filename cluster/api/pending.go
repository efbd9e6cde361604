package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/drift"
)

func (h *Handler) pendingRoutes() {
	register(h, viewers().orStale(), huma.Operation{
		OperationID: "plans", Method: http.MethodGet, Path: "/v1/plans", Tags: []string{"plan"},
		Summary: "Plans that wait for approval; plan and apply take their id in from.pending",
	}, h.pendingPlans)
	register(h, operators(), huma.Operation{
		OperationID: "drop-plan", Method: http.MethodDelete, Path: "/v1/plans/{id}", Tags: []string{"plan"},
		Summary: "Forget a plan that waits", DefaultStatus: http.StatusOK,
	}, h.dropPlan)
	register(h, viewers().orStale(), huma.Operation{
		OperationID: "settings", Method: http.MethodGet, Path: "/v1/settings", Tags: []string{"members"},
		Summary: "How the controllers behave",
	}, func(ctx context.Context, req *Reading) (*out[wire.Settings], error) {
		st, err := h.await(ctx, req)
		return &out[wire.Settings]{Body: fromSettings(st.Settings)}, err
	})
	register(h, admins(), huma.Operation{
		OperationID: "set-settings", Method: http.MethodPut, Path: "/v1/settings", Tags: []string{"members"},
		Summary: "Replace the settings",
	}, h.setSettings)
}

func (h *Handler) pendingPlans(ctx context.Context, req *Reading) (*out[wire.PendingPlans], error) {
	st, err := h.await(ctx, req)
	if err != nil {
		return nil, err
	}
	found := wire.PendingPlans{Plans: []wire.PendingPlan{}}
	for _, p := range st.Plans.All() {
		found.Plans = append(found.Plans, fromPending(p))
	}
	return answer(found)
}

func fromPending(p *state.PendingPlan) wire.PendingPlan {
	return wire.PendingPlan{
		ID: p.ID, Stack: p.Manifest.Stack, Base: p.Base, Digest: p.Digest, Summary: p.Summary, Why: p.Why,
		From: p.From, Commit: p.Manifest.Commit, Message: p.Manifest.Message, By: p.By, At: p.At,
	}
}

// pendingPlan returns a plan that waits.
func pendingPlan(st state.State, id string) (*state.PendingPlan, error) {
	if p, ok := st.Plans.Get(id); ok {
		return p, nil
	}
	e := &wire.Error{Code: CodeNotFound, Message: fmt.Sprintf("no plan %s waits for approval", id)}
	for other := range st.Plans.All() {
		e.Detail = append(e.Detail, "There is "+other+".")
	}
	if len(e.Detail) == 0 {
		e.Detail = []string{"None does: it was approved, dropped, or a newer one took its place."}
	}
	return nil, e
}

type idInput struct {
	ID string `path:"id"`
}

func (h *Handler) dropPlan(ctx context.Context, req *idInput) (*out[struct{}], error) {
	if err := h.served(); err != nil {
		return nil, err
	}
	c := callOf(ctx)
	return &out[struct{}]{}, h.propose(ctx, state.Command{DropPlan: &state.DropPlan{
		ID: req.ID, By: c.caller.String(), Request: c.request, From: c.caller.From,
	}})
}

func fromSettings(s state.Settings) wire.Settings {
	out := wire.Settings{AutoApply: string(s.Auto()), CapCount: s.CapCount, CapPercent: s.CapPercent}
	if s.CapCount == 0 && s.CapPercent == 0 {
		out.CapCount, out.CapPercent = state.DefaultCapCount, state.DefaultCapPercent
	}
	for kind, policy := range s.Drift {
		if out.Drift == nil {
			out.Drift = map[string]string{}
		}
		out.Drift[kind] = string(policy)
	}
	return out
}

func (h *Handler) setSettings(ctx context.Context, req *in[wire.Settings]) (*out[wire.Settings], error) {
	next := state.Settings{
		AutoApply: state.AutoApply(req.Body.AutoApply), CapCount: req.Body.CapCount, CapPercent: req.Body.CapPercent,
	}
	for kind, policy := range req.Body.Drift {
		if next.Drift == nil {
			next.Drift = map[string]state.DriftPolicy{}
		}
		next.Drift[kind] = state.DriftPolicy(policy)
	}
	if err := h.served(); err != nil {
		return nil, err
	}
	if err := drift.Check(next.Drift); err != nil {
		return nil, &wire.Error{Code: CodeInvalid, Message: err.Error()}
	}
	c := callOf(ctx)
	err := h.propose(ctx, state.Command{SetSettings: &state.SetSettings{
		Settings: next, By: c.caller.String(), Request: c.request, From: c.caller.From,
	}})
	return &out[wire.Settings]{Body: fromSettings(next)}, err
}

// served refuses what the record's level doesn't have yet: to propose it would halt members of older versions.
func (h *Handler) served() error {
	if h.Record == nil {
		return h.readOnly()
	}
	if level := h.Record.State().Level; level < state.LevelServed {
		return &wire.Error{Code: CodeRefused, Message: fmt.Sprintf("the record is at level %d, this needs level %d: every member must be of this version first", level, state.LevelServed)}
	}
	return nil
}
