package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
)

// The codes of wire.Error.
const (
	CodeInvalid  = "invalid"   // the request makes no sense
	CodeNotFound = "not-found" // no such instance
	CodeReadOnly = "read-only" // this controller can't change anything, the message says why
	CodeBusy     = "busy"      // another apply is running
	CodeRefused  = "refused"   // the record refused
	CodeCanceled = "canceled"
	CodeFailed   = "failed"
	CodeBug      = "bug"
)

// AsError returns err in wire form.
func AsError(err error) *wire.Error {
	var already *wire.Error
	if errors.As(err, &already) {
		return already
	}
	e := &wire.Error{Code: CodeFailed, Message: err.Error()}
	var refused *state.Refusal
	switch {
	case errors.As(err, &refused):
		e.Code = CodeRefused
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Code = CodeCanceled
	}
	return e
}

func statusOf(code string) int {
	switch code {
	case CodeInvalid:
		return http.StatusBadRequest
	case CodeNotFound:
		return http.StatusNotFound
	case CodeReadOnly, CodeBusy, CodeRefused:
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

func (h *Handler) readOnly() *wire.Error {
	why := h.ReadOnly
	if why == "" {
		why = "this command only reads"
	}
	return &wire.Error{Code: CodeReadOnly, Message: why}
}
