package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
)

func (h *Handler) tokenRoutes() {
	register(h, admins(), huma.Operation{
		OperationID: "bootstrap", Method: http.MethodPost, Path: "/v1/tokens/bootstrap", Tags: []string{"tokens"},
		Summary: "Make the first token, an admin's; once, by who has an admin's certificate or is root where a member runs",
	}, func(ctx context.Context, _ *struct{}) (*out[wire.NewToken], error) {
		return h.createToken(ctx, wire.TokenRequest{Name: "bootstrap", Role: string(state.Admin)}, true)
	})
	register(h, admins(), huma.Operation{
		OperationID: "create-token", Method: http.MethodPost, Path: "/v1/tokens", Tags: []string{"tokens"},
		Summary: "Make a token; its secret is in this answer and nowhere else",
	}, func(ctx context.Context, req *in[wire.TokenRequest]) (*out[wire.NewToken], error) {
		return h.createToken(ctx, req.Body, false)
	})
	register(h, admins(), huma.Operation{
		OperationID: "tokens", Method: http.MethodGet, Path: "/v1/tokens", Tags: []string{"tokens"},
		Summary: "The tokens, without their secrets",
	}, h.tokens)
	register(h, admins(), huma.Operation{
		OperationID: "revoke-token", Method: http.MethodDelete, Path: "/v1/tokens/{id}", Tags: []string{"tokens"},
		Summary: "Revoke a token at once", DefaultStatus: http.StatusOK,
	}, h.revokeToken)
}

func (h *Handler) createToken(ctx context.Context, req wire.TokenRequest, bootstrap bool) (*out[wire.NewToken], error) {
	if err := h.served(); err != nil {
		return nil, err
	}
	c := callOf(ctx)
	id, text, hash := auth.NewToken()
	command := &state.CreateToken{
		ID: id, Name: req.Name, Role: state.Role(req.Role), Hash: hash, Bootstrap: bootstrap,
		By: c.caller.String(), Request: c.request, From: c.caller.From,
	}
	if req.Seconds > 0 {
		command.Expires = time.Now().UTC().Add(time.Duration(req.Seconds) * time.Second)
	}
	if err := h.propose(ctx, state.Command{CreateToken: command}); err != nil {
		return nil, err
	}
	token, ok := h.Record.State().Tokens.Get(id)
	if !ok {
		return nil, &wire.Error{Code: CodeFailed, Message: "the token was made and revoked at once"}
	}
	return answer(wire.NewToken{Token: h.fromToken(token), Secret: text})
}

func (h *Handler) tokens(context.Context, *struct{}) (*out[wire.Tokens], error) {
	found := wire.Tokens{Tokens: []wire.Token{}}
	for _, t := range h.Planner.State().Tokens.All() {
		found.Tokens = append(found.Tokens, h.fromToken(t))
	}
	return answer(found)
}

func (h *Handler) fromToken(t *state.Token) wire.Token {
	return wire.Token{
		ID: t.ID, Name: t.Name, Role: string(t.Role), Created: t.Created, Expires: t.Expires, Revoked: t.Revoked,
		By: t.By, RevokedBy: t.RevokedBy, Live: t.Live(h.Planner.State().Time, time.Now()),
	}
}

func (h *Handler) revokeToken(ctx context.Context, req *idInput) (*out[struct{}], error) {
	if err := h.served(); err != nil {
		return nil, err
	}
	c := callOf(ctx)
	return &out[struct{}]{}, h.propose(ctx, state.Command{RevokeToken: &state.RevokeToken{
		ID: req.ID, By: c.caller.String(), Request: c.request, From: c.caller.From,
	}})
}
