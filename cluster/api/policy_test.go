package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/state"
)

// policies is who may use which route. A new route has to be added here, by somebody who thought about it.
var policies = map[string]string{
	"GET /openapi.json": "anyone", "GET /v1/health": "anyone",
	"GET /v1/identity": "viewer", "POST /v1/plan": "viewer", "POST /v1/explain": "viewer", "POST /v1/seal": "viewer",
	"POST /v1/status": "viewer", "GET /v1/status": "viewer", "GET /v1/hosts": "viewer", "GET /v1/instances": "viewer", "POST /v1/doctor": "viewer",
	"GET /v1/operations": "viewer", "GET /v1/operations/{id}": "viewer", "GET /v1/requests/{request}/events": "viewer",
	"GET /v1/events": "viewer", "GET /v1/history": "viewer", "GET /v1/revisions": "viewer", "GET /v1/revisions/{from}/diff/{to}": "viewer",
	"GET /v1/plans": "viewer", "GET /v1/settings": "viewer", "GET /v1/members": "viewer",
	"POST /v1/apply": "operator", "POST /v1/cancel": "operator", "POST /v1/console": "operator", "DELETE /v1/plans/{id}": "operator",
	"POST /v1/takeover": "admin", "PUT /v1/settings": "admin",
	"GET /v1/tokens": "admin", "POST /v1/tokens": "admin", "POST /v1/tokens/bootstrap": "admin", "DELETE /v1/tokens/{id}": "admin",
	"DELETE /v1/members/{id}": "admin", "POST /v1/members/lead": "admin", "GET /v1/snapshot": "admin", "PUT /v1/snapshot": "admin",
}

// described reads the policies from the OpenAPI document.
func described(t *testing.T) map[string]string {
	t.Helper()
	data, err := api.Document("test")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Role      string `json:"x-novaplan-role"`
			ID        string `json:"operationId"`
			Summary   string
			Responses map[string]struct{ Content map[string]any }
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %s", doc.OpenAPI)
	}
	found := map[string]string{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			route := strings.ToUpper(method) + " " + path
			found[route] = op.Role
			if op.Summary == "" || op.ID == "" || op.Responses["default"].Content["application/problem+json"] == nil {
				t.Errorf("%s isn't described in full: %+v", route, op)
			}
		}
	}
	return found
}

func TestEveryRouteHasItsPolicy(t *testing.T) {
	if diff := cmp.Diff(policies, described(t)); diff != "" {
		t.Errorf("policies (-wanted +described):\n%s", diff)
	}
}

// TestPoliciesAreKept asks every route as nobody and with every role.
func TestPoliciesAreKept(t *testing.T) {
	h := newHouse(t)
	order := []string{"anyone", "viewer", "operator", "admin"}
	for route, least := range policies {
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("{id}", "x", "{request}", "x", "{from}", "1", "{to}", "1").Replace(path)
		for _, role := range order {
			may := slices.Index(order, role) >= slices.Index(order, least)
			if may && role != "anyone" {
				continue // what it does then is another test's
			}
			req, err := http.NewRequestWithContext(t.Context(), method, h.server.URL+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			if token := h.tokens[state.Role(role)]; token != "" {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			want := http.StatusForbidden
			switch {
			case may:
				want = http.StatusOK
			case role == "anyone":
				want = http.StatusUnauthorized
			}
			if resp.StatusCode != want {
				t.Errorf("%s as %s: %s, want %d", route, role, resp.Status, want)
			}
		}
	}
}
