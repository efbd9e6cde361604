package api

import (
	"net/http"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

func (h *Handler) doctor(w http.ResponseWriter, r *http.Request) {
	var req wire.DoctorRequest
	if !read(w, r, &req) {
		return
	}
	desired, ok := decode(w, req.Spec)
	if !ok {
		return
	}
	if h.Inspector == nil {
		fail(w, h.readOnly())
		return
	}
	checks, err := h.Inspector.Doctor(r.Context(), desired)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, wire.Report{FormatVersion: wire.CheckFormat, Checks: each(checks, func(c *planner.Check) wire.Check { return fromCheck(c) })})
}

func (h *Handler) takeover(w http.ResponseWriter, r *http.Request) {
	var req wire.TakeoverRequest
	if !read(w, r, &req) {
		return
	}
	desired, ok := decode(w, req.Spec)
	if !ok {
		return
	}
	if h.Inspector == nil || h.Executor == nil {
		fail(w, h.readOnly())
		return
	}
	gone := each(req.Gone, func(a *string) spec.Address { return spec.Address(*a) })
	if err := h.Inspector.Takeover(r.Context(), desired, gone, req.By); err != nil {
		fail(w, err)
		return
	}
	seen, err := h.Planner.Observe(r.Context(), desired)
	if err != nil {
		fail(w, err)
		return
	}
	st := h.Planner.State()
	if desired == nil {
		desired = inForce(st)
	}
	reply(w, statusOfFleet(st, desired, seen))
}
