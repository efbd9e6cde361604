package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
)

// policy says who may use a route. Its zero value is none at all: a route with it can't be registered.
type policy struct {
	least    state.Role // the least role; "" of anyone
	anyone   bool       // nothing has to be proved
	anywhere bool       // any member answers, as it knows it
	stale    bool       // any member answers when asked to
}

func anyone() policy    { return policy{anyone: true, anywhere: true} }
func viewers() policy   { return policy{least: state.Viewer} }
func operators() policy { return policy{least: state.Operator} }
func admins() policy    { return policy{least: state.Admin} }

// orStale lets any member answer, from its copy of the record, when the request says stale.
func (p policy) orStale() policy { p.stale = true; return p }

// here lets the member that was asked answer: it is about that member.
func (p policy) here() policy { p.anywhere = true; return p }

func (p policy) valid() bool { return p.anyone || p.least.Includes(state.Viewer) }

// name is how the document of the API calls it.
func (p policy) name() string {
	if p.anyone {
		return "anyone"
	}
	return string(p.least)
}

// check returns why the caller may not, nil when they may.
func (p policy) check(c auth.Caller) *wire.Error {
	switch {
	case p.anyone || c.Role.Includes(p.least):
		return nil
	case c.Kind == auth.Nobody:
		return &wire.Error{Code: CodeUnauthorized, Message: "who are you?", Detail: []string{
			"Give a token (NOVAPLAN_TOKEN) or a client certificate (NOVAPLAN_CLIENT_CERT, NOVAPLAN_CLIENT_KEY).",
		}}
	}
	role := string(c.Role)
	if role == "" {
		role = "no role"
	}
	return &wire.Error{Code: CodeForbidden, Message: c.String() + " may not do this: it has " + role + ", this needs " + string(p.least)}
}

// policyExtension names the policy in the document of the API.
const policyExtension = "x-novaplan-role"

// register adds a route. It panics when the route has no policy, or one that makes no sense: the tests register
// all of them.
func register[I, O any](h *Handler, p policy, op huma.Operation, do func(context.Context, *I) (*O, error)) {
	pattern := op.Method + " " + op.Path
	if !p.valid() || p.stale && op.Method != http.MethodGet {
		panic(pattern + " has no policy that can be kept")
	}
	h.policies[pattern] = p
	op.Extensions = map[string]any{policyExtension: p.name()}
	if !p.anyone {
		op.Security = []map[string][]string{{"token": {}}, {"certificate": {}}}
	}
	op.BodyReadTimeout = -1 // a deadline would end the request's context later
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = maxSmallBody
	}
	huma.Register(h.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, problemOf(err, requestOf(ctx))
		}
		return out, nil
	})
}
