package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/api/client"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

// fake is a controller of one host and one instance.
type fake struct {
	st       state.State
	plan     *planner.Plan
	approved planner.Approved
	got      *spec.Spec
	progress chan planner.Progress
	settle   chan struct{}
	calls    []string
}

func (f *fake) State() state.State { return f.st }
func (f *fake) Observe(context.Context, *spec.Spec) (*planner.Observed, error) {
	return &planner.Observed{At: time.Unix(100, 0), Hosts: map[spec.Address]*planner.HostObservation{
		"host.a": {Reachable: true, Claimed: true, LastSeen: time.Unix(99, 0), Inventory: state.Inventory{VCPUs: 4, MemoryMiB: 1024}},
	}}, nil
}

func (f *fake) Plan(ctx context.Context, s *spec.Spec, _ planner.Options) (*planner.Plan, *planner.Observed, error) {
	f.got = s
	if f.plan == nil {
		panic("no plan")
	}
	seen, err := f.Observe(ctx, s)
	return f.plan, seen, err
}
func (f *fake) Explain(_ context.Context, _ *spec.Spec, address spec.Address) (*planner.Explanation, error) {
	if address != "instance.web" {
		return nil, nil
	}
	return &planner.Explanation{Address: address, Host: "host.a"}, nil
}
func (f *fake) Approve(context.Context, planner.Approval) (planner.Approved, error) {
	return f.approved, nil
}
func (f *fake) Follow(context.Context) <-chan planner.Progress { return f.progress }
func (f *fake) Settle(context.Context, []string) error         { <-f.settle; return nil }
func (f *fake) Halt()                                          { f.calls = append(f.calls, "halt") }
func (f *fake) Abort()                                         { f.calls = append(f.calls, "abort") }
func (f *fake) Console(_ context.Context, a spec.Address, rw io.ReadWriter, _ bool) error {
	line := make([]byte, 5)
	if _, err := io.ReadFull(rw, line); err != nil {
		return err
	}
	_, err := io.WriteString(rw, string(a)+" says "+string(line))
	return err
}

func serve(t *testing.T, f *fake, ports api.Ports) *client.Client {
	t.Helper()
	ports.Planner = f
	pipe := client.NewPipe()
	server := &http.Server{Handler: api.New(ports), ConnContext: auth.InProcess}
	served := make(chan error, 1)
	go func() { served <- server.Serve(pipe) }()
	c := client.New(pipe.Dial)
	t.Cleanup(func() {
		c.Close()
		_ = server.Close()
		<-served
	})
	return c
}

func TestPlanTravels(t *testing.T) {
	f := &fake{plan: &planner.Plan{Digest: "d", Changes: []planner.Change{{Address: "instance.web", Action: planner.ActCreate, To: "host.a"}}}}
	c := serve(t, f, api.Ports{Identity: wire.Identity{Version: "1.2.3", Mode: "sim"}, ReadOnly: "because"})
	sent := &spec.Spec{Fleet: "f", Hosts: []spec.Host{{Address: "host.a", Name: "a", Zone: "zone.z"}}, Zones: []spec.Zone{{Address: "zone.z", Name: "z"}}}
	encoded, err := api.EncodeSpec(sent)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Plan(t.Context(), wire.PlanRequest{Spec: encoded})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sent.Hosts, f.got.Hosts); diff != "" {
		t.Errorf("the spec changed on its way (-sent +got):\n%s", diff)
	}
	want := &wire.Plan{
		FormatVersion: wire.PlanFormat, Version: "1.2.3", Mode: "sim", Digest: "d", ReadOnly: "because",
		Changes:  []wire.Change{{Address: "instance.web", Action: "create", To: "host.a"}},
		Unplaced: []wire.Unplaced{}, Errors: []wire.Message{}, Warnings: []wire.Message{}, Operations: []wire.Operation{},
		Hosts: []wire.PlanHost{{Address: "host.a", Name: "a", Zone: "z", Reachable: true, SeenAgo: 1000}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestApplyStreamsUntilSettled(t *testing.T) {
	run := state.Operation{ID: "1-0", Action: state.Create, Instance: "instance.web", To: "host.a", Phase: state.RunningOp}
	done, failed := run, run
	done.Phase = state.Done
	failed.ID, failed.Phase, failed.Error = "1-1", state.Failed, "no space"
	f := &fake{progress: make(chan planner.Progress, 4), settle: make(chan struct{})}
	f.st.Operations = f.st.Operations.With("1-0", &done).With("1-1", &failed)
	f.approved = planner.Approved{Revision: 1, Operations: []string{"1-0", "1-1"}}
	c := serve(t, f, api.Ports{Executor: f})
	f.progress <- planner.Progress{Operation: run, Step: "uploading", Done: 1, Total: 2}
	f.progress <- planner.Progress{Operation: done}
	f.progress <- planner.Progress{Operation: done} // told twice, heard once
	var got []string
	err := c.Apply(t.Context(), wire.ApplyRequest{}, func(e wire.Event) error {
		line := string(e.Type)
		if e.Operation != nil {
			line += " " + e.Operation.ID + " " + e.Operation.Phase
		}
		if e.Type == wire.EventProgress {
			close(f.settle)
		}
		if e.Result != nil && (e.Result.Done != 1 || len(e.Result.Failed) != 1) {
			t.Errorf("result %+v, want one done and one failed", e.Result)
		}
		got = append(got, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"approved", "progress 1-0 running", "finished 1-0 done", "finished 1-1 failed", "settled"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestStaleApplyReturnsTheNewPlan(t *testing.T) {
	f := &fake{approved: planner.Approved{Stale: true, Plan: &planner.Plan{Digest: "new"}}}
	c := serve(t, f, api.Ports{Executor: f})
	var got []wire.Event
	if err := c.Apply(t.Context(), wire.ApplyRequest{Digest: "old"}, func(e wire.Event) error { got = append(got, e); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Type != wire.EventStale || got[0].Plan.Digest != "new" {
		t.Errorf("events %+v, want one that is stale with the new plan", got)
	}
}

func TestErrorsKeepTheirCode(t *testing.T) {
	var stack string
	f := &fake{}
	c := serve(t, f, api.Ports{ReadOnly: ".novaplan is read-only", Panicked: func(_ any, s []byte) { stack = string(s) }})
	for name, tc := range map[string]struct {
		call func() error
		code string
	}{
		"read-only": {func() error { return c.Apply(t.Context(), wire.ApplyRequest{}, nil) }, api.CodeReadOnly},
		"invalid": {func() error {
			_, err := c.Explain(t.Context(), wire.ExplainRequest{Address: "web"})
			return err
		}, api.CodeInvalid},
		"not found": {func() error {
			_, err := c.Explain(t.Context(), wire.ExplainRequest{Address: "instance.gone"})
			return err
		}, api.CodeNotFound},
		"bug": {func() error { _, err := c.Plan(t.Context(), wire.PlanRequest{}); return err }, api.CodeBug},
	} {
		t.Run(name, func(t *testing.T) {
			got := new(wire.Error)
			if err := tc.call(); !errors.As(err, &got) || got.Code != tc.code {
				t.Errorf("error %#v, want code %q", err, tc.code)
			}
		})
	}
	if !strings.Contains(stack, "Plan") {
		t.Errorf("the panic's stack was not reported: %q", stack)
	}
}

func TestCancelHaltsThenAborts(t *testing.T) {
	f := &fake{}
	c := serve(t, f, api.Ports{Executor: f})
	for _, abort := range []bool{false, true} {
		if err := c.Cancel(t.Context(), wire.CancelRequest{Abort: abort}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"halt", "abort"}, f.calls); diff != "" {
		t.Error(diff)
	}
}

func TestConsoleCarriesBytesBothWays(t *testing.T) {
	f := &fake{}
	f.st.Instances = f.st.Instances.With("instance.web", &state.Instance{Address: "instance.web"})
	c := serve(t, f, api.Ports{Consoles: f})
	stream, err := c.Console(t.Context(), "instance.web", false)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := io.WriteString(stream, "hello"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(stream); err != nil || string(got) != "instance.web says hello" {
		t.Errorf("console said %q, %v", got, err)
	}
	if _, err := c.Console(t.Context(), "instance.gone", false); err == nil {
		t.Error("a console of nothing opened")
	}
}

func TestStatusJoinsRecordAndSight(t *testing.T) {
	f := &fake{st: state.State{Fleet: "f", Mode: state.Sim, Revision: 1}}
	f.st.Desired = state.NewDesired(&spec.Spec{
		Hosts:     []spec.Host{{Address: "host.a", Name: "a", Mode: spec.ModeActive, ReservedMemory: 24}},
		Flavors:   []spec.Flavor{{Address: "flavor.s", VCPUs: 2, RAM: 512}},
		Instances: []spec.Instance{{Address: "instance.web", Flavor: "flavor.s", State: spec.Running}, {Address: "instance.new", Flavor: "flavor.s", State: spec.Running}},
	})
	f.st.Instances = f.st.Instances.With("instance.web", &state.Instance{
		Address: "instance.web", Host: "host.a", UUID: "u", Phase: state.Active, Size: state.Size{VCPUs: 2, MemoryMiB: 512},
		NICs: []state.NIC{{MAC: "52:54:00:00:00:01", IP: "10.0.0.5"}},
	})
	c := serve(t, f, api.Ports{})
	got, err := c.Status(t.Context(), wire.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if h := got.Hosts[0]; h.State != "up" || h.Memory.Limit != 1500 {
		t.Errorf("host %+v, want it up with 1500 MiB to give", h)
	}
	if i := got.Instances[0]; i.State != "missing" || i.HostName != "a" || i.Addresses[0] != "10.0.0.5" {
		t.Errorf("instance %+v, want it missing on a with its address", i)
	}
	if i := got.Instances[1]; i.State != "absent" || i.VCPUs != 2 {
		t.Errorf("instance %+v, want it absent with its flavor's size", i)
	}
}
