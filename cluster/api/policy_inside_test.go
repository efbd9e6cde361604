package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/state"
)

// TestARouteNeedsAPolicy: without one it can't be registered, and what is on the mux all the same isn't served.
func TestARouteNeedsAPolicy(t *testing.T) {
	h := New(Ports{Planner: nobody{}})
	none := func(context.Context, *struct{}) (*struct{}, error) { return nil, nil }
	for name, tc := range map[string]struct {
		p      policy
		method string
	}{
		"none": {policy{}, http.MethodGet}, "unknown role": {policy{least: "root"}, http.MethodGet}, "stale write": {viewers().orStale(), http.MethodPost},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it was registered", name)
				}
			}()
			register(h, tc.p, huma.Operation{OperationID: name, Method: tc.method, Path: "/v1/new"}, none)
		}()
	}
	h.mux.HandleFunc("GET /v1/hidden", func(http.ResponseWriter, *http.Request) { t.Error("a route without a policy was served") })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/hidden", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("status %d", w.Code)
	}
}

func TestCallersAreLimited(t *testing.T) {
	id, text, hash := auth.NewToken()
	st := state.State{}
	st.Tokens = st.Tokens.With(id, &state.Token{ID: id, Role: state.Viewer, Hash: hash})
	h := New(Ports{Planner: nobody{}, Auth: &auth.Authenticator{Tokens: func() state.State { return st }}})
	h.limits = &auth.Buckets{Burst: 2, Every: time.Hour}
	var got []int
	for range 3 {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/v1/identity", nil)
		r.Header.Set("Authorization", "Bearer "+text)
		h.ServeHTTP(w, r)
		got = append(got, w.Code)
		if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
			t.Error("nobody says when to try again")
		}
	}
	if got[1] != http.StatusOK || got[2] != http.StatusTooManyRequests {
		t.Errorf("statuses %v", got)
	}
}

func TestRequestIDs(t *testing.T) {
	for id, plain := range map[string]bool{"a-1_B.2": true, "": false, "a b": false, "x\n": false, "ü": false, string(make([]byte, 65)): false} {
		if plainID(id) != plain {
			t.Errorf("%q: %v", id, !plain)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		New(Ports{Planner: nobody{}})
	}
}
