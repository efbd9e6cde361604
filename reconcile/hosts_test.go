package reconcile

import (
	"context"
	"slices"
	"testing"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// dialled is a driver that notes which URIs have a connection.
type dialled struct{ open []string }

type dialledHost struct {
	hypervisor.Host
	driver *dialled
	uri    string
}

func (d *dialled) Open(_ context.Context, t hypervisor.Target) (hypervisor.Host, error) {
	d.open = append(d.open, t.URI)
	return &dialledHost{driver: d, uri: t.URI}, nil
}

func (h *dialledHost) Close() error {
	h.driver.open = slices.DeleteFunc(h.driver.open, func(uri string) bool { return uri == h.uri })
	return nil
}

// fixed is a record whose state a test sets.
type fixed struct {
	ReadOnly
	st state.State
}

func (f *fixed) State() state.State { return f.st }

// TestAPlanTakesNoConnectionAway: a plan that opens a host in another way leaves the connection that work uses
// alone; the one that nothing needs any more goes with the last look, when the work is done.
func TestAPlanTakesNoConnectionAway(t *testing.T) {
	at := func(uri string) *spec.Host { return &spec.Host{Address: "host.a", Name: "a", URI: uri} }
	inForce := func(uri string) *state.Desired {
		return state.NewDesired(&spec.Spec{Hosts: []spec.Host{*at(uri)}})
	}
	move := &state.Operation{ID: "1", Action: state.Migrate, From: "host.a", To: "host.b", Phase: state.RunningOp}
	drv, rec := &dialled{}, &fixed{}
	rec.st.Desired = inForce("old")
	rec.st.Operations = rec.st.Operations.With("1", move)
	h := newHosts(rec, drv)
	look := func(uri string) hypervisor.Host {
		t.Helper()
		defer h.looking()()
		host, err := h.get(t.Context(), at(uri))
		if err != nil {
			t.Fatal(err)
		}
		return host
	}
	open := func(when string, want ...string) {
		t.Helper()
		if !slices.Equal(drv.open, want) {
			t.Errorf("%s: connections to %v, want %v", when, drv.open, want)
		}
	}
	work := look("old")
	look("new")
	open("planned during work", "old", "new")
	if again, err := h.Host(t.Context(), "host.a"); err != nil || again != work {
		t.Errorf("work goes on with %v, %v; want the connection that it has", again, err)
	}
	look("newer")
	open("planned again during work", "old", "new", "newer")
	rec.st.Operations = state.Map[*state.Operation]{}
	look("newest")
	open("the work is done", "old", "newest")
	rec.st.Desired = inForce("newest")
	look("newest")
	open("applied", "newest")
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	open("closed")
}
