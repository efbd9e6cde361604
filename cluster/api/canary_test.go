package api_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// TestCanaries plants secrets and looks for them everywhere that is read or kept.
func TestCanaries(t *testing.T) {
	const userData, fence, later = "canary-user-data-7f3a", "canary-fence-19bc", "canary-later-55aa"
	h := newHouse(t)
	secret := func(text string) *wire.Spec {
		s := fleet(1, text)
		s.Hosts[0].Fence = &spec.Fence{Agent: "fence_ipmilan", Options: map[string]spec.Secret{"password": spec.NewSecret(fence)}}
		return h.encoded(s)
	}
	h.apply(h.as(state.Operator), secret(userData), "q1")
	h.apply(h.as(state.Operator), secret(later), "q2")
	sealed, err := h.as(state.Viewer).Seal(t.Context(), []string{userData})
	if err != nil || bytes.Contains(sealed[0].Sealed, []byte(userData)) {
		t.Fatalf("seal: %v", err)
	}
	places := map[string]string{"the log": h.log.String()}
	for route := range policies {
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("{id}", "1-3", "{request}", "q2", "{from}", "1", "{to}", "2").Replace(path)
		if method != http.MethodGet || path == "/v1/events" {
			continue
		}
		_, places[path] = h.raw(state.Admin, method, path, nil, nil)
	}
	_, places["explain"] = h.raw(state.Viewer, http.MethodPost, "/v1/explain", wire.ExplainRequest{Address: "instance.vm[0]"}, nil)
	_, places["plan"] = h.raw(state.Viewer, http.MethodPost, "/v1/plan", wire.PlanRequest{Spec: secret(userData)}, nil)
	var snapshot bytes.Buffer
	if err := state.Snapshot(h.rec.State(), &snapshot); err != nil {
		t.Fatal(err)
	}
	for key, c := range h.rec.State().Chunks.All() {
		places["chunk "+key] = string(c.Data)
	}
	places["the snapshot"] = snapshot.String()
	canaries := []string{userData, fence, later}
	for _, token := range h.tokens {
		canaries = append(canaries, token[len(token)-64:])
	}
	for place, text := range places {
		for _, canary := range canaries {
			if strings.Contains(text, canary) {
				t.Errorf("%s has %s", place, canary)
			}
		}
	}
	if !strings.Contains(places["/v1/revisions/1/diff/2"], `"old":"(sensitive)","new":"(sensitive), changed"`) {
		t.Errorf("the difference doesn't say that a secret changed: %s", places["/v1/revisions/1/diff/2"])
	}
}
