package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/api/wire"
)

// The headers of requests and answers.
const (
	// RequestHeader is the id of a request, from the caller or made here. It is in the log, and in the record with what
	// the request causes.
	RequestHeader = "X-Request-Id"
	// IdempotencyHeader names a write, so that a repetition is answered with what became of the first.
	IdempotencyHeader = "Idempotency-Key"
	IndexHeader       = "X-Novaplan-Index"           // the answer is at least as new as this log entry
	StaleHeader       = "X-Novaplan-Stale"           // true: the answer may be old
	ContactHeader     = "X-Novaplan-Last-Contact-Ms" // of the member that answered, with the leader
	LeaderHeader      = "X-Novaplan-Known-Leader"    // true or false
	hopHeader         = "X-Novaplan-Hop"             // a member passed it on
)

// Requests of one caller: so many at once, and one more each while.
const (
	requestBurst = 400
	requestEvery = 5 * time.Millisecond
)

// call is what a route knows of the request beside its input.
type call struct {
	caller  auth.Caller
	request string
	stale   bool
	header  http.Header // of the answer
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{caller: auth.Caller{Kind: auth.Nobody}, header: http.Header{}}
}

func requestOf(ctx context.Context) string { return callOf(ctx).request }

// ServeHTTP answers one request: who it is, whether they may, which member answers, and then the route. A panic becomes
// an error of that request alone.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	c := &call{request: requestID(r), header: w.Header()}
	w.Header().Set(RequestHeader, c.request)
	seen := &watched{ResponseWriter: w, status: http.StatusOK}
	defer func() {
		if v := recover(); v == http.ErrAbortHandler {
			panic(v) // the answer is cut off on purpose
		} else if v != nil {
			h.panicked(v, c.request)
			seen.status = http.StatusInternalServerError
			fail(w, &wire.Error{Code: CodeBug, Message: fmt.Sprintf("this is a bug of novaplan: %v", v)}, c.request)
		}
		h.Log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", seen.status, "took", time.Since(begun),
			"caller", c.caller.String(), "from", c.caller.From, "request", c.request)
	}()
	if err := h.serve(seen, r, c); err != nil {
		fail(seen, err, c.request)
	}
}

func (h *Handler) panicked(v any, request string) {
	stack := debug.Stack()
	h.Log.Error("panic in a request", "value", fmt.Sprint(v), "request", request, "stack", string(stack))
	if h.Panicked != nil {
		h.Panicked(v, stack)
	}
}

// serve lets the request through to its route, or says why not.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, c *call) error {
	_, pattern := h.mux.Handler(r)
	p, ok := h.policies[pattern]
	if !ok {
		return &wire.Error{Code: CodeNotFound, Message: "there is no " + r.Method + " " + r.URL.Path + "; see /openapi.json"}
	}
	if err := h.admit(w, r, p, c); err != nil {
		return err
	}
	c.stale = p.stale && r.URL.Query().Get("stale") == "true"
	leader, leads := h.Leader()
	if !leads && !p.anywhere && !c.stale {
		return h.forward(w, r, leader, c)
	}
	if leads && !p.anywhere && !c.stale {
		if err := h.Verify(r.Context()); err != nil {
			return noLeader(err)
		}
	}
	h.mark(c, leader != "" || leads)
	ctx := context.WithValue(auth.With(r.Context(), c.caller), callKey{}, c)
	h.mux.ServeHTTP(w, r.WithContext(ctx))
	return nil
}

// admit finds out who asks, whether they may, and whether they ask too often.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request, p policy, c *call) error {
	caller, err := h.Auth.Authenticate(r)
	switch {
	case errors.Is(err, auth.ErrTooMany):
		return &wire.Error{Code: CodeTooMany, Message: err.Error()}
	case err != nil && !p.anyone:
		return &wire.Error{Code: CodeUnauthorized, Message: err.Error()}
	case err != nil:
		caller = auth.Caller{Kind: auth.Nobody, From: r.RemoteAddr}
	}
	c.caller = caller
	if refused := p.check(caller); refused != nil {
		return refused
	}
	if caller.Kind == auth.Local {
		return nil
	}
	if wait, ok := h.limits.Take(caller.Key()); !ok {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		return &wire.Error{Code: CodeTooMany, Message: "too many requests of " + caller.String()}
	}
	return nil
}

// mark says of an answer how new it is.
func (h *Handler) mark(c *call, leaderKnown bool) {
	c.header.Set(IndexHeader, strconv.FormatUint(h.Planner.State().Index, 10))
	c.header.Set(LeaderHeader, strconv.FormatBool(leaderKnown))
	if c.stale {
		c.header.Set(StaleHeader, "true")
		c.header.Set(ContactHeader, strconv.FormatInt(h.LastContact().Milliseconds(), 10))
	}
}

func noLeader(err error) error {
	e := &wire.Error{
		Code: CodeNoLeader, Message: "no leader answers: an election is under way, or most members can't be reached",
		Detail: []string{"Try again in a moment. ?stale=true is answered from what this member knows."},
	}
	if err != nil {
		e.Detail = append(e.Detail, err.Error())
	}
	return e
}

// maxRequestID bounds the ids that callers choose.
const maxRequestID = 64

// requestID takes the caller's id, or makes one.
func requestID(r *http.Request) string {
	for _, name := range []string{RequestHeader, IdempotencyHeader} {
		if id := r.Header.Get(name); plainID(id) {
			return id
		}
	}
	random := make([]byte, 8)
	_, _ = rand.Read(random) // never fails, see crypto/rand
	return hex.EncodeToString(random)
}

// plainID reports whether an id can stand in a log and a header as it is.
func plainID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		ch := id[i]
		letter := ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch >= '0' && ch <= '9'
		if !letter && ch != '-' && ch != '_' && ch != '.' {
			return false
		}
	}
	return true
}

// watched notes the status of an answer.
type watched struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (w *watched) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
