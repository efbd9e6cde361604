package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/spec"
)

// Limits of a request's body, in bytes.
const (
	maxSmallBody = 1 << 20
	maxSpecBody  = 256 << 20 // a spec of a million instances fits
)

// Handler answers the API. It is safe for concurrent use.
type Handler struct {
	Ports
	mux      *http.ServeMux
	huma     huma.API
	policies map[string]policy // by pattern: what isn't here isn't served
	limits   *auth.Buckets
	follows  *follows
	applying applying
}

// New returns the handler over ports.
func New(ports Ports) *Handler {
	h := &Handler{
		Ports: ports.withDefaults(), mux: http.NewServeMux(), policies: map[string]policy{}, follows: newFollows(),
		limits: &auth.Buckets{Burst: requestBurst, Every: requestEvery},
	}
	h.Auth.OnFailed(h.loginFailed)
	h.huma = humago.New(h.mux, document(h.Identity.Version))
	h.routes()
	h.finishDocument()
	return h
}

// routes registers all there are.
func (h *Handler) routes() {
	h.aboutRoutes()
	h.planRoutes()
	h.applyRoutes()
	h.lookRoutes()
	h.recordRoutes()
	h.eventRoutes()
	h.pendingRoutes()
	h.tokenRoutes()
	h.memberRoutes()
}

// in is a request with a JSON body.
type in[T any] struct {
	Body T
}

// out is a JSON answer.
type out[T any] struct {
	Body T
}

func answer[T any](v T) (*out[T], error) { return &out[T]{Body: v}, nil }

// decode returns the spec of a request, nil for the one in force.
func decode(s *wire.Spec) (*spec.Spec, error) {
	if s == nil {
		return nil, nil
	}
	decoded, err := DecodeSpec(s)
	if err != nil {
		return nil, &wire.Error{Code: CodeInvalid, Message: "spec: " + err.Error()}
	}
	return decoded, nil
}

// aboutRoutes are about the API itself and the member that answers.
func (h *Handler) aboutRoutes() {
	register(h, anyone(), huma.Operation{
		OperationID: "openapi", Method: http.MethodGet, Path: "/openapi.json", Tags: []string{"about"},
		Summary: "This document",
	}, func(context.Context, *struct{}) (*rawOutput, error) {
		data, err := h.OpenAPI()
		return &rawOutput{ContentType: "application/openapi+json", Body: data}, err
	})
	register(h, anyone(), huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: "/v1/health", Tags: []string{"about"},
		Summary: "Whether this member works, and whether it knows a leader",
	}, func(context.Context, *struct{}) (*out[wire.Health], error) {
		leader, self := h.Leader()
		return answer(wire.Health{OK: self || leader != "", Leads: self, Leader: leader, Index: h.Planner.State().Index})
	})
	register(h, viewers().here(), huma.Operation{
		OperationID: "identity", Method: http.MethodGet, Path: "/v1/identity", Tags: []string{"about"},
		Summary: "Who answers, and which fleet it is about",
	}, func(context.Context, *struct{}) (*out[wire.Identity], error) {
		id := h.Identity
		st := h.Planner.State()
		if st.ClusterID != "" {
			id.Cluster, id.Fleet = st.ClusterID, st.Fleet
		}
		return answer(id)
	})
}

type rawOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}
