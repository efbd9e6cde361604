package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
)

// The codes of wire.Error and wire.Problem.
const (
	CodeInvalid      = "invalid"   // the request makes no sense
	CodeNotFound     = "not-found" // no such instance, token, route, ...
	CodeReadOnly     = "read-only" // this controller can't change anything, the message says why
	CodeBusy         = "busy"      // another apply is running
	CodeRefused      = "refused"   // the record refused
	CodeStale        = "stale"     // the fleet or its record changed since the plan was seen
	CodeUnauthorized = "unauthorized"
	CodeForbidden    = "forbidden"
	CodeTooMany      = "too-many-requests"
	CodeTooLarge     = "too-large"
	CodeNoLeader     = "no-leader"   // no majority, or an election is under way: try again
	CodeUnavailable  = "unavailable" // leadership changes just now: try again
	CodeCompacted    = "compacted"   // what was asked for is older than what is kept
	CodeCanceled     = "canceled"
	CodeFailed       = "failed"
	CodeBug          = "bug"
)

// AsError returns err in wire form.
func AsError(err error) *wire.Error {
	var already *wire.Error
	if errors.As(err, &already) {
		return already
	}
	var problem *wire.Problem
	if errors.As(err, &problem) {
		return problem.Err()
	}
	e := &wire.Error{Code: CodeFailed, Message: err.Error()}
	var refused *state.Refusal
	switch {
	case errors.As(err, &refused) && refused.Code == state.Unknown:
		e.Code = CodeNotFound
	case errors.As(err, &refused):
		e.Code = CodeRefused
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Code = CodeCanceled
	}
	return e
}

// problemOf returns err as what a request is answered with.
func problemOf(err error, request string) *wire.Problem {
	var already *wire.Problem
	if errors.As(err, &already) {
		already.Request = request
		return already
	}
	e := AsError(err)
	return wire.ProblemOf(e, statusOf(e.Code), request)
}

func statusOf(code string) int {
	switch code {
	case CodeInvalid:
		return http.StatusBadRequest
	case CodeNotFound:
		return http.StatusNotFound
	case CodeReadOnly, CodeBusy, CodeRefused, CodeStale:
		return http.StatusConflict
	case CodeUnauthorized:
		return http.StatusUnauthorized
	case CodeForbidden:
		return http.StatusForbidden
	case CodeTooMany:
		return http.StatusTooManyRequests
	case CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case CodeNoLeader, CodeUnavailable:
		return http.StatusServiceUnavailable
	case CodeCompacted:
		return http.StatusGone
	}
	return http.StatusInternalServerError
}

// fail answers with a problem outside of a route.
func fail(w http.ResponseWriter, err error, request string) {
	p := problemOf(err, request)
	w.Header().Set("Content-Type", p.ContentType(""))
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="novaplan"`)
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client went away: nobody is left to tell
}

// WriteError answers with a problem where there is no Handler yet.
func WriteError(w http.ResponseWriter, err error) { fail(w, err, "") }

// inOurWords turns what huma says of a malformed request into a problem like all others.
func inOurWords(ctx huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	e := &wire.Error{Code: CodeInvalid, Message: model.Detail}
	switch model.Status {
	case http.StatusRequestEntityTooLarge:
		e.Code = CodeTooLarge
	case http.StatusInternalServerError:
		e.Code = CodeBug
	}
	for _, d := range model.Errors {
		line := d.Message
		if d.Location != "" {
			line = d.Location + ": " + line
		}
		e.Detail = append(e.Detail, line) // without d.Value, which may be a secret
	}
	return wire.ProblemOf(e, model.Status, requestOf(ctx.Context())), nil
}

func (h *Handler) readOnly() *wire.Error {
	why := h.ReadOnly
	if why == "" {
		why = "this command only reads"
	}
	return &wire.Error{Code: CodeReadOnly, Message: why}
}
