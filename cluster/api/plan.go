package api

import (
	"net/http"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

func (h *Handler) plan(w http.ResponseWriter, r *http.Request) {
	var req wire.PlanRequest
	if !read(w, r, &req) {
		return
	}
	desired, ok := decode(w, req.Spec)
	if !ok {
		return
	}
	opts, err := Options(req.Options)
	if err == nil {
		err = checkChosen(opts, desired, inForce(h.Planner.State()))
	}
	if err != nil {
		fail(w, err)
		return
	}
	plan, seen, err := h.Planner.Plan(r.Context(), desired, opts)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, h.wirePlan(plan, seen, desired, opts))
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
