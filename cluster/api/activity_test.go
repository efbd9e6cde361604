package api_test

import (
	"testing"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// TestStatusDuringWork: a status tells what instances go through, not what their domains do on the way, and who
// works. Who only reads a record says nothing about operations that somebody left unfinished in it.
func TestStatusDuringWork(t *testing.T) {
	f := &fake{st: state.State{Fleet: "f", Mode: state.Sim, Revision: 1}}
	f.st.Desired = state.NewDesired(&spec.Spec{Instances: []spec.Instance{{Address: "instance.web", State: spec.Running}}})
	f.st.Instances = f.st.Instances.With("instance.web", &state.Instance{Address: "instance.web", Host: "host.a", Phase: state.Building})
	f.st.Operations = f.st.Operations.
		With("1-0", &state.Operation{ID: "1-0", Action: state.Create, Instance: "instance.web", To: "host.a", Phase: state.RunningOp}).
		With("1-1", &state.Operation{ID: "1-1", Action: state.Create, Instance: "instance.later", To: "host.a", Phase: state.Pending})
	works := serve(t, f, api.Ports{Executor: f, Identity: wire.Identity{Command: "apply", PID: 7}})
	got, err := works.Status(t.Context(), wire.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if a := got.Activity; a == nil || a.Command != "apply" || a.PID != 7 || a.Operations != 1 {
		t.Errorf("activity %+v, want the apply of process 7 with one operation", a)
	}
	if s := got.Instances[0].State; s != "creating" {
		t.Errorf("it is %s, want creating", s)
	}
	reads := serve(t, f, api.Ports{})
	if got, err = reads.Status(t.Context(), wire.StatusRequest{}); err != nil {
		t.Fatal(err)
	}
	if got.Activity != nil || got.Instances[0].State != "building" {
		t.Errorf("who only reads says %+v and %s", got.Activity, got.Instances[0].State)
	}
}
