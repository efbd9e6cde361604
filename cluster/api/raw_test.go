package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/state"
)

// raw sends a request as a program without our client would.
func (h *house) raw(role state.Role, method, path string, body any, header http.Header) (status int, text string) {
	h.t.Helper()
	var data []byte
	if s, ok := body.(string); ok {
		data = []byte(s)
	} else if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			h.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.server.URL+path, bytes.NewReader(data))
	if err != nil {
		h.t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Bearer "+h.tokens[role])
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(all)
}

// TestProblems is what programs may rely on when something is wrong.
func TestProblems(t *testing.T) {
	h := newHouse(t)
	for name, tc := range map[string]struct {
		role         state.Role
		method, path string
		body         any
		want         string
	}{
		"no such route": {state.Viewer, "GET", "/v1/nothing", nil, `{"type":"urn:novaplan:problem:not-found","title":"there is no GET /v1/nothing; see /openapi.json",
			"status":404,"code":"not-found","request_id":"r1"}`},
		"forbidden": {state.Viewer, "GET", "/v1/tokens", nil, `{"type":"urn:novaplan:problem:forbidden",
			"title":"token the viewer (np_ID) may not do this: it has viewer, this needs admin","status":403,"code":"forbidden","request_id":"r1"}`},
		"no such revision": {state.Viewer, "POST", "/v1/plan", `{"from":{"revision":7}}`, `{"type":"urn:novaplan:problem:not-found",
			"title":"there is no revision 7","status":404,"code":"not-found","request_id":"r1"}`},
		"no such plan": {state.Viewer, "POST", "/v1/plan", `{"from":{"pending":"p"}}`, `{"type":"urn:novaplan:problem:not-found","title":"no plan p waits for approval",
			"status":404,"detail":"None does: it was approved, dropped, or a newer one took its place.","code":"not-found",
			"details":["None does: it was approved, dropped, or a newer one took its place."],"request_id":"r1"}`},
		"an address": {state.Viewer, "POST", "/v1/explain", `{"address":"web"}`, `{"type":"urn:novaplan:problem:invalid",
			"title":"\"web\" is not an address: want kind.label, kind.label[n] or kind.label[\"key\"]","status":400,"code":"invalid","request_id":"r1"}`},
		"a field": {state.Admin, "POST", "/v1/tokens", `{"name":"x","role":"root"}`, `{"type":"urn:novaplan:problem:invalid","title":"validation failed","status":422,
			"detail":"body.role: expected value to be one of \"viewer, operator, admin\"","code":"invalid",
			"details":["body.role: expected value to be one of \"viewer, operator, admin\""],"request_id":"r1"}`},
		"a wait": {state.Viewer, "GET", "/v1/revisions?wait=soon", nil, `{"type":"urn:novaplan:problem:invalid","title":"wait=soon: want a duration such as 30s",
			"status":400,"code":"invalid","request_id":"r1"}`},
		"no members": {state.Viewer, "GET", "/v1/members", nil, `{"type":"urn:novaplan:problem:invalid",
			"title":"this controller is a command's own: it has no members","status":400,"code":"invalid","request_id":"r1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := h.raw(tc.role, tc.method, tc.path, tc.body, http.Header{api.RequestHeader: {"r1"}})
			id, _, _ := strings.Cut(strings.TrimPrefix(h.tokens[tc.role], "np_"), "_")
			var got, want map[string]any
			if err := json.Unmarshal([]byte(strings.ReplaceAll(body, id, "ID")), &got); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" || float64(status) != got["status"] {
				t.Errorf("status %d (-want +got):\n%s", status, diff)
			}
		})
	}
}

// TestLargeBodies are refused before they are kept.
func TestLargeBodies(t *testing.T) {
	h := newHouse(t)
	status, body := h.raw(state.Admin, "POST", "/v1/tokens", `{"name":"`+strings.Repeat("x", 1<<20)+`","role":"viewer"}`, nil)
	if status != http.StatusRequestEntityTooLarge || !strings.Contains(body, `"code":"too-large"`) {
		t.Errorf("%d %.200s", status, body)
	}
	sealed, err := h.as(state.Viewer).Seal(t.Context(), []string{strings.Repeat("x", 1<<20), strings.Repeat("y", 1<<20)})
	if err != nil || len(sealed) != 2 {
		t.Errorf("user data of many instances: %d sealed, %v", len(sealed), err)
	}
}
