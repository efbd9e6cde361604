package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/spec"
)

// Ports are what a Handler stands on. Planner is required; what is nil answers "read-only".
type Ports struct {
	Planner   Planner
	Executor  Executor
	Inspector Inspector
	Consoles  Consoles

	Identity wire.Identity
	ReadOnly string // why nothing can be applied; shown in plans
	// Panicked is told of a bug that a request ran into, with its stack. The request gets an error.
	Panicked func(value any, stack []byte)
}

// Handler answers the API. It is safe for concurrent use; one apply runs at a time.
type Handler struct {
	Ports
	mux      *http.ServeMux
	applying applying
}

// New returns the handler over ports.
func New(ports Ports) *Handler {
	h := &Handler{Ports: ports, mux: http.NewServeMux()}
	h.mux.HandleFunc("GET /v1/identity", func(w http.ResponseWriter, _ *http.Request) { reply(w, h.Identity) })
	h.mux.HandleFunc("POST /v1/plan", h.plan)
	h.mux.HandleFunc("POST /v1/status", h.status)
	h.mux.HandleFunc("POST /v1/explain", h.explain)
	h.mux.HandleFunc("POST /v1/doctor", h.doctor)
	h.mux.HandleFunc("POST /v1/apply", h.applyPlan)
	h.mux.HandleFunc("GET /v1/events", h.events)
	h.mux.HandleFunc("POST /v1/cancel", h.cancel)
	h.mux.HandleFunc("POST /v1/takeover", h.takeover)
	h.mux.HandleFunc("POST /v1/console", h.console)
	return h
}

// ServeHTTP answers one request. A panic becomes an error of that request alone.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			if h.Panicked != nil {
				h.Panicked(v, debug.Stack())
			}
			fail(w, &wire.Error{Code: CodeBug, Message: fmt.Sprintf("this is a bug of novaplan: %v", v)})
		}
	}()
	h.mux.ServeHTTP(w, r)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client went away: nobody is left to tell
}

func fail(w http.ResponseWriter, err error) {
	e := AsError(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statusOf(e.Code))
	_ = json.NewEncoder(w).Encode(e)
}

// maxBody bounds a request: a spec of a million instances fits.
const maxBody = 1 << 30

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into)
	if err == nil {
		return true
	}
	message := fmt.Sprintf("request body: %v", err)
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		message = fmt.Sprintf("request body: more than %d MiB", tooLarge.Limit>>20)
	}
	fail(w, &wire.Error{Code: CodeInvalid, Message: message})
	return false
}

// decode returns the spec of a request, nil for the one in force.
func decode(w http.ResponseWriter, s *wire.Spec) (*spec.Spec, bool) {
	if s == nil {
		return nil, true
	}
	decoded, err := DecodeSpec(s)
	if err != nil {
		fail(w, &wire.Error{Code: CodeInvalid, Message: "spec: " + err.Error()})
		return nil, false
	}
	return decoded, true
}
