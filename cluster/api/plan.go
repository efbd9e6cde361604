package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

func (h *Handler) planRoutes() {
	register(h, viewers(), huma.Operation{
		OperationID: "plan", Method: http.MethodPost, Path: "/v1/plan", Tags: []string{"plan"},
		Summary:      "What would be done, and why; nothing is written",
		MaxBodyBytes: maxSpecBody, SkipValidateBody: true,
	}, h.plan)
	register(h, viewers(), huma.Operation{
		OperationID: "explain", Method: http.MethodPost, Path: "/v1/explain", Tags: []string{"plan"},
		Summary:      "Why an instance is where it is, or where it would go",
		MaxBodyBytes: maxSpecBody, SkipValidateBody: true,
	}, h.explain)
	register(h, viewers(), huma.Operation{
		OperationID: "seal", Method: http.MethodPost, Path: "/v1/seal", Tags: []string{"plan"},
		Summary:      "Seal secrets of a spec with the cluster's key, which never leaves the cluster",
		MaxBodyBytes: maxSpecBody, SkipValidateBody: true, // each instance may have user data of its own
	}, h.seal)
}

func (h *Handler) plan(ctx context.Context, req *in[wire.PlanRequest]) (*out[*wire.Plan], error) {
	desired, err := h.wanted(req.Body.Spec, req.Body.From)
	if err != nil {
		return nil, err
	}
	opts, err := Options(req.Body.Options)
	if err == nil {
		err = checkChosen(opts, desired, inForce(h.Planner.State()))
	}
	if err != nil {
		return nil, err
	}
	plan, seen, err := h.Planner.Plan(ctx, desired, opts)
	if err != nil {
		return nil, err
	}
	return answer(h.wirePlan(plan, seen, desired, opts))
}

// wanted returns the spec that a request is about: the one it brings, a kept revision, one that waits for approval, or
// nil, which is the one in force.
func (h *Handler) wanted(brought *wire.Spec, from wire.From) (*spec.Spec, error) {
	st := h.Planner.State()
	switch {
	case brought != nil && from != (wire.From{}), from.Revision != 0 && from.Pending != "":
		return nil, &wire.Error{Code: CodeInvalid, Message: "a request is about one spec: one that it brings, a revision, or a pending plan"}
	case from.Revision != 0:
		rev, err := h.revision(from.Revision)
		if err != nil {
			return nil, err
		}
		return st.SpecOf(rev)
	case from.Pending != "":
		p, err := pendingPlan(st, from.Pending)
		if err != nil {
			return nil, err
		}
		return st.SpecOf(&p.Manifest)
	}
	return decode(brought)
}

// wirePlan adds what the plan itself doesn't know: who computed it and which hosts were seen.
func (h *Handler) wirePlan(plan *planner.Plan, seen *planner.Observed, desired *spec.Spec, opts planner.Options) *wire.Plan {
	st := h.Planner.State()
	if desired == nil {
		desired = inForce(st)
	}
	p := FromPlan(plan)
	p.Version, p.Mode, p.ReadOnly, p.Destroy = h.Identity.Version, h.Identity.Mode, h.ReadOnly, opts.Destroy
	p.Hosts = planHosts(desired, seen, st)
	return p
}

// Options checks the addresses in o.
func Options(o wire.Options) (planner.Options, error) {
	opts := planner.Options{AllowPartial: o.AllowPartial, Destroy: o.Destroy}
	var err error
	if opts.Target, err = addresses(o.Target); err != nil {
		return opts, err
	}
	opts.Exclude, err = addresses(o.Exclude)
	return opts, err
}

func addresses(written []string) ([]spec.Address, error) {
	var out []spec.Address
	for _, s := range written {
		a, err := spec.ParseAddress(s)
		if err != nil {
			return nil, &wire.Error{Code: CodeInvalid, Message: err.Error()}
		}
		out = append(out, a)
	}
	return out, nil
}

func inForce(st state.State) *spec.Spec {
	if st.Desired == nil || st.Desired.Spec == nil {
		return &spec.Spec{}
	}
	return st.Desired.Spec
}

// seal is for who has a spec and no key. Texts go one way: nothing here opens what is sealed.
func (h *Handler) seal(_ context.Context, req *in[wire.SealRequest]) (*out[wire.Sealed], error) {
	if h.Sealer == nil {
		return nil, h.readOnly()
	}
	sealed := wire.Sealed{Secrets: make([]wire.SealedText, 0, len(req.Body.Texts))}
	for _, text := range req.Body.Texts {
		s, err := h.Sealer.Seal(text)
		if err != nil {
			return nil, err
		}
		sealed.Secrets = append(sealed.Secrets, wire.SealedText{HMAC: s.HMAC, Sealed: s.Sealed})
	}
	return answer(sealed)
}
