package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/spec"
)

func (h *Handler) inspectRoutes() {
	register(h, viewers(), huma.Operation{
		OperationID: "doctor", Method: http.MethodPost, Path: "/v1/doctor", Tags: []string{"look"},
		Summary:      "Check every host; nothing is changed",
		MaxBodyBytes: maxSpecBody, SkipValidateBody: true,
	}, h.doctor)
	register(h, admins(), huma.Operation{
		OperationID: "takeover", Method: http.MethodPost, Path: "/v1/takeover", Tags: []string{"look"},
		Summary:      "Rebuild a lost record from what is stamped on the hosts",
		MaxBodyBytes: maxSpecBody, SkipValidateBody: true,
	}, h.takeover)
}

func (h *Handler) doctor(ctx context.Context, req *in[wire.DoctorRequest]) (*out[wire.Report], error) {
	desired, err := decode(req.Body.Spec)
	if err != nil {
		return nil, err
	}
	if h.Inspector == nil {
		return nil, h.readOnly()
	}
	checks, err := h.Inspector.Doctor(ctx, desired)
	if err != nil {
		return nil, err
	}
	return answer(wire.Report{FormatVersion: wire.CheckFormat, Checks: each(checks, fromCheck)})
}

func (h *Handler) takeover(ctx context.Context, req *in[wire.TakeoverRequest]) (*out[*wire.Status], error) {
	desired, err := decode(req.Body.Spec)
	if err != nil {
		return nil, err
	}
	if h.Inspector == nil || h.Executor == nil {
		return nil, h.readOnly()
	}
	gone := each(req.Body.Gone, func(a *string) spec.Address { return spec.Address(*a) })
	if err := h.Inspector.Takeover(ctx, desired, gone, callOf(ctx).by(req.Body.By)); err != nil {
		return nil, err
	}
	s, err := h.status(ctx, desired)
	return &out[*wire.Status]{Body: s}, err
}
