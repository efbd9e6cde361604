package api_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/api/client"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
)

// members is a leader that members call over TLS, and a follower of it.
type members struct {
	*house
	inner    *httptest.Server
	follower *httptest.Server
	leads    atomic.Bool // the leader still does
}

func newMembers(t *testing.T) *members {
	h := newHouse(t)
	m := &members{house: h}
	m.leads.Store(true)
	leader := h.ports
	leader.Leader = func() (string, bool) { return "", m.leads.Load() }
	leader.Verify = func(context.Context) error {
		if !m.leads.Load() {
			return errors.New("deposed")
		}
		return nil
	}
	m.inner = httptest.NewUnstartedServer(api.New(leader))
	m.inner.Config.ConnContext = auth.FromMember
	m.inner.StartTLS()
	t.Cleanup(m.inner.Close)

	follower := h.ports
	follower.Executor = nil // it carries nothing out
	follower.Leader = func() (string, bool) { return m.inner.Listener.Addr().String(), false }
	follower.Forward = m.inner.Client().Transport
	follower.LastContact = func() time.Duration { return 42 * time.Millisecond }
	m.follower = h.serve(follower)
	return m
}

// TestFollowersPassOn: whoever is asked, the leader answers, and knows who asked whom.
func TestFollowersPassOn(t *testing.T) {
	m := newMembers(t)
	s := m.encoded(fleet(1, ""))
	c := m.at(state.Operator, m.follower.URL)
	p, err := c.Plan(t.Context(), wire.PlanRequest{Spec: s})
	if err != nil {
		t.Fatal(err)
	}
	var last wire.Event
	if err := c.Apply(t.Context(), wire.ApplyRequest{Spec: s, Base: p.Base, Digest: p.Digest, Request: "far"}, func(e wire.Event) error { last = e; return nil }); err != nil {
		t.Fatal(err)
	}
	if last.Type != wire.EventSettled || last.Result.Done != 3 {
		t.Errorf("the last event: %+v", last)
	}
	revs, err := c.Revisions(t.Context())
	if err != nil || !strings.HasPrefix(revs.Revisions[0].By, "token the operator") {
		t.Errorf("by %+v, %v", revs, err)
	}
	if _, err := m.at(state.Viewer, m.follower.URL).Tokens(t.Context()); api.AsError(err).Code != api.CodeForbidden {
		t.Errorf("a viewer through a follower: %v", err)
	}
}

// TestStaleReads are answered by any member, and say so; others need a leader.
func TestStaleReads(t *testing.T) {
	m := newMembers(t)
	m.leads.Store(false)
	get := func(path string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.follower.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+m.tokens[state.Viewer])
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp
	}
	if resp := get("/v1/history"); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get(api.StaleHeader) != "" {
		t.Errorf("a consistent read without a leader: %s", resp.Status)
	}
	resp := get("/v1/history?stale=true")
	if resp.StatusCode != http.StatusOK || resp.Header.Get(api.StaleHeader) != "true" || resp.Header.Get(api.ContactHeader) != "42" || resp.Header.Get(api.IndexHeader) == "" {
		t.Errorf("a stale read: %s %v", resp.Status, resp.Header)
	}
	if resp := get("/v1/instances?stale=true"); resp.StatusCode != http.StatusOK {
		t.Errorf("stale instances: %s", resp.Status)
	}
	if _, err := m.at(state.Operator, m.follower.URL).Plan(t.Context(), wire.PlanRequest{}); api.AsError(err).Code != api.CodeNoLeader {
		t.Errorf("a plan without a leader: %v", err)
	}
}

// TestNothingIsPassedOnTwice: two members that take each other for the leader come to an end.
func TestNothingIsPassedOnTwice(t *testing.T) {
	h := newHouse(t)
	asked := 0
	ports := h.ports
	ports.Leader = func() (string, bool) { return "other.invalid:1", false }
	var self http.Handler
	ports.Forward = roundTrip(func(r *http.Request) (*http.Response, error) {
		asked++
		w := httptest.NewRecorder()
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		r = r.WithContext(auth.FromMember(r.Context(), near))
		self.ServeHTTP(w, r)
		return w.Result(), nil
	})
	self = api.New(ports)
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/v1/revisions", nil)
	r.Header.Set("Authorization", "Bearer "+h.tokens[state.Viewer])
	self.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || asked != 1 {
		t.Errorf("%d after %d times", w.Code, asked)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAClientTriesEachAddress and goes on following elsewhere when a connection breaks.
func TestAClientTriesEachAddress(t *testing.T) {
	m := newMembers(t)
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	s := m.encoded(fleet(1, ""))
	c := m.at(state.Operator, dead.URL, m.follower.URL, m.server.URL)
	p, err := c.Plan(t.Context(), wire.PlanRequest{Spec: s})
	if err != nil {
		t.Fatal(err)
	}
	ends := map[string]int{}
	cut := false
	err = c.Apply(t.Context(), wire.ApplyRequest{Spec: s, Base: p.Base, Digest: p.Digest, Request: "cut"}, func(e wire.Event) error {
		if !cut {
			cut = true
			m.follower.CloseClientConnections()
			go m.follower.Close()
		}
		if e.Type == wire.EventFinished {
			ends[e.Operation.ID]++
		}
		return nil
	})
	if err != nil || len(ends) != 3 {
		t.Errorf("ends %v, %v", ends, err)
	}
	for id, n := range ends {
		if n != 1 {
			t.Errorf("%s ended %d times", id, n)
		}
	}
}

// TestFollowingEndsWithoutAnEnd when leadership is lost: work that another member goes on with isn't said to be left.
func TestFollowingEndsWithoutAnEnd(t *testing.T) {
	h := newHouse(t)
	ports := h.ports
	ports.Executor = unsettled{ports.Executor}
	h.server = h.serve(ports)
	s := h.encoded(fleet(1, ""))
	p := h.plan(s)
	whole := h.serve(h.ports)
	c := h.at(state.Operator, h.server.URL, whole.URL)
	var types []wire.EventType
	err := c.Apply(t.Context(), wire.ApplyRequest{Spec: s, Base: p.Base, Digest: p.Digest, Request: "lost"}, func(e wire.Event) error {
		types = append(types, e.Type)
		if len(types) == 1 {
			h.server.CloseClientConnections()
			go h.server.Close() // the next one to ask is the other member
		}
		return nil
	})
	if err != nil || types[len(types)-1] != wire.EventSettled {
		t.Errorf("%v, %v", types, err)
	}
	for _, typ := range types {
		if typ == wire.EventError {
			t.Errorf("an error in %v", types)
		}
	}
}

// unsettled is an executor of a member that is deposed.
type unsettled struct{ api.Executor }

func (unsettled) Settle(context.Context, []string) error { return errors.New("another member leads") }

// TestConsolesThroughFollowers carry bytes both ways.
func TestConsolesThroughFollowers(t *testing.T) {
	f := &fake{}
	f.st.Instances = f.st.Instances.With("instance.web", &state.Instance{Address: "instance.web"})
	id, text, hash := auth.NewToken()
	f.st.Tokens = f.st.Tokens.With(id, &state.Token{ID: id, Name: "ops", Role: state.Operator, Hash: hash})
	inner := httptest.NewUnstartedServer(api.New(api.Ports{Planner: f, Consoles: f}))
	inner.Config.ConnContext = auth.FromMember
	inner.StartTLS()
	t.Cleanup(inner.Close)
	outer := httptest.NewServer(api.New(api.Ports{
		Planner: f, Leader: func() (string, bool) { return inner.Listener.Addr().String(), false }, Forward: inner.Client().Transport,
	}))
	t.Cleanup(outer.Close)
	c, err := client.Remote{Addresses: []string{outer.URL}, Token: text}.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	port, err := c.Console(t.Context(), "instance.web", false)
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	if _, err := io.WriteString(port, "hello"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(port); string(got) != "instance.web says hello" {
		t.Errorf("console said %q, %v", got, err)
	}
}
