package planner

import (
	"slices"
	"testing"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// one is a fleet of two hosts with instance.a on h1, all settled.
func one(t *testing.T) (*world, *spec.Spec, *state.Instance, *Domain) {
	t.Helper()
	s := fleetSpec(2, inst("a", "small"))
	w := newWorld(t, s)
	w.converge(s)
	in, _ := w.st.Instances.Get("instance.a")
	return w, s, in, w.domain(in)
}

func codes(ms []Message) []string {
	var cs []string
	for _, m := range ms {
		cs = append(cs, m.Code)
	}
	return cs
}

func TestDriftOfPower(t *testing.T) {
	for name, c := range map[string]struct {
		want   spec.Power
		found  Power
		reason string // of the pause
		action state.Action
		code   string // of the change's reason, or of the error
	}{
		"stopped":           {spec.Running, PowerOff, "", state.StartUp, ReasonFoundStopped},
		"crashed":           {spec.Running, PowerCrashed, "", state.StartUp, ReasonFoundCrashed},
		"paused":            {spec.Running, PowerPaused, "user", state.Resume, ReasonFoundPaused},
		"io error":          {spec.Running, PowerPaused, "ioerror", "", CodeIOError},
		"saved":             {spec.Running, PowerSaved, "", state.StartUp, ReasonFoundSaved},
		"stop":              {spec.Stopped, PowerRunning, "", state.Stop, ReasonStateChanged},
		"stop a paused one": {spec.Stopped, PowerPaused, "", "", CodeTransition},
		"stop a saved one":  {spec.Stopped, PowerSaved, "", "", CodeTransition},
		"pause":             {spec.Paused, PowerRunning, "", state.Pause, ReasonStateChanged},
		"pause a stopped":   {spec.Paused, PowerOff, "", "", CodeTransition},
		"suspend":           {spec.Suspended, PowerRunning, "", state.Suspend, ReasonStateChanged},
		"suspend a paused":  {spec.Suspended, PowerPaused, "", "", CodeTransition},
		"shelve":            {spec.Shelved, PowerRunning, "", "", CodeUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			w, s, _, d := one(t)
			d.Power, d.PauseReason = c.found, c.reason
			p := w.plan(edit(s, func(s *spec.Spec) { s.Instances[0].State = c.want }), Options{})
			if c.action == "" {
				if len(p.Operations) != 0 || !slices.Equal(codes(p.Errors), []string{c.code}) {
					t.Errorf("operations %+v, errors %+v", p.Operations, p.Errors)
				}
				return
			}
			if len(p.Operations) != 1 || p.Operations[0].Action != c.action || p.Changes[0].Reason.Code != c.code {
				t.Fatalf("operations %+v, changes %+v, errors %+v", p.Operations, p.Changes, p.Errors)
			}
			interrupts := c.action == state.Stop || c.action == state.Pause || c.action == state.Suspend
			if p.Changes[0].Interrupts != interrupts || (p.Operations[0].Block != "") != interrupts {
				t.Errorf("interrupts %v, block %q", p.Changes[0].Interrupts, p.Operations[0].Block)
			}
			w.approve(edit(s, func(s *spec.Spec) { s.Instances[0].State = c.want }), Options{})
			w.run()
			w.settled()
		})
	}
}

// A domain that something on its host holds is left alone: that is a warning while it does what it should.
func TestHeldDomainIsLeftAlone(t *testing.T) {
	for power, isError := range map[Power]bool{PowerRunning: false, PowerPaused: true, PowerOff: true} {
		w, s, _, d := one(t)
		d.Held, d.Power = true, power
		p := w.plan(s, Options{})
		found := map[bool][]Message{true: p.Errors, false: p.Warnings}
		if len(p.Operations) != 0 || !slices.Equal(codes(found[isError]), []string{CodeHeld}) || len(found[!isError]) != 0 {
			t.Errorf("%s: operations %+v, errors %+v, warnings %+v", power, p.Operations, p.Errors, p.Warnings)
		}
	}
}

func TestLockedRefusesAllButRecovery(t *testing.T) {
	w, s, in, d := one(t)
	locked := edit(s, func(s *spec.Spec) { s.Instances[0].Locked = "audit" })
	w.converge(locked)
	p := w.plan(edit(locked, func(s *spec.Spec) { s.Instances[0].State = spec.Stopped }), Options{})
	if len(p.Operations) != 0 || !slices.Equal(codes(p.Errors), []string{CodeLocked}) {
		t.Errorf("stop: %+v %+v", p.Operations, p.Errors)
	}
	p = w.plan(edit(locked, func(s *spec.Spec) { s.Instances = nil }), Options{})
	if len(p.Operations) != 0 || !slices.Equal(codes(p.Errors), []string{CodeLocked}) {
		t.Errorf("terminate: %+v %+v", p.Operations, p.Errors)
	}
	if p = w.plan(drain(locked, "h1", spec.ModeDrain), Options{}); p.Summary.Live != 1 {
		t.Errorf("drain: %+v", p)
	}
	d.Power = PowerOff
	if p = w.replan(); len(p.Operations) != 1 {
		t.Errorf("recovery: %+v", p)
	}
	_ = in
}

func TestMissingDomainIsRestored(t *testing.T) {
	w, s, in, _ := one(t)
	w.drop(in.Host, in.UUID)
	p := w.replan()
	if len(p.Operations) != 1 || p.Operations[0].Action != state.Rebuild || p.Changes[0].Action != ActRestore {
		t.Fatalf("%+v", p)
	}
	// With a host that can't be looked at, and disks on shared storage, it may run there.
	w.obs.Hosts["host.h2"].Reachable = false
	if p = w.replan(); len(p.Operations) != 0 || !slices.Contains(codes(p.Warnings), CodeMissing) {
		t.Errorf("%+v", p)
	}
	w.obs.Hosts["host.h2"].Reachable = true
	w.converge(s)
}

func TestTwoPlacesFreeze(t *testing.T) {
	for name, c := range map[string]struct {
		keep       bool // on h1
		power      Power
		generation uint64
		code       string
		freeze     bool
	}{
		"twice":            {true, PowerRunning, 1, CodeTwice, true},
		"elsewhere":        {false, PowerRunning, 1, CodeElsewhere, true},
		"elsewhere off":    {false, PowerOff, 1, CodeElsewhere, true},
		"later generation": {true, PowerOff, 2, CodeBehind, true},
		"incoming":         {true, PowerIncoming, 1, CodeMigrating, false},
		"old definition":   {true, PowerOff, 0, CodeStaleCopy, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, in, d := one(t)
			other := *d
			other.Power, other.Generation = c.power, c.generation
			w.obs.Hosts["host.h2"].Domains = []Domain{other}
			if !c.keep {
				w.drop(in.Host, in.UUID)
			}
			p := w.replan()
			if len(p.Operations) != 0 || (len(p.Freeze) == 1) != c.freeze || !slices.Contains(append(codes(p.Errors), codes(p.Warnings)...), c.code) {
				t.Errorf("operations %+v, freeze %+v, errors %+v, warnings %+v", p.Operations, p.Freeze, p.Errors, p.Warnings)
			}
			for _, f := range p.Freeze {
				w.must(state.Command{Freeze: &f})
			}
			if c.freeze {
				if p = w.replan(); len(p.Operations) != 0 || !slices.Contains(codes(p.Warnings), CodeFrozen) {
					t.Errorf("after freezing: %+v", p)
				}
			}
		})
	}
}

func TestRedefinedBehindOurBack(t *testing.T) {
	w, _, _, d := one(t)
	d.MemoryMiB, d.MACs = 512, []string{"52:00:00:00:00:01"}
	p := w.replan()
	if len(p.Operations) != 1 || p.Operations[0].Action != state.Redefine || p.Changes[0].Interrupts || p.Changes[0].Reason.Code != ReasonFoundChanged {
		t.Fatalf("%+v", p)
	}
	w.approve(w.st.Desired.Spec, Options{})
	w.run()
	w.settled()
}

func TestMovedBlockTouchesNoGuest(t *testing.T) {
	w, s, in, _ := one(t)
	renamed := edit(s, func(s *spec.Spec) {
		s.Instances[0].Address = "instance.b"
		s.Moved = []spec.Moved{{From: "instance.a", To: "instance.b"}}
	})
	p := w.converge(renamed)
	if len(p.Operations) != 1 || p.Operations[0].Action != state.Redefine || p.Changes[0].Action != ActMove {
		t.Errorf("%+v", p)
	}
	if now, _ := w.st.Instances.Get("instance.b"); now == nil || now.UUID != in.UUID {
		t.Errorf("%+v", now)
	}
}

func TestAddingCountMovesToTheFirst(t *testing.T) {
	w, s, in, _ := one(t)
	counted := edit(s, func(s *spec.Spec) { s.Instances = many("a", "small", 2) })
	p := w.converge(counted)
	if p.Summary.Create != 1 || p.Summary.Terminate != 0 {
		t.Errorf("%+v", p.Summary)
	}
	if now, _ := w.st.Instances.Get("instance.a[0]"); now == nil || now.UUID != in.UUID {
		t.Errorf("%+v", now)
	}
	p = w.converge(s)
	if p.Summary.Create != 0 || p.Summary.Terminate != 1 {
		t.Errorf("%+v", p.Summary)
	}
}

func TestUnreachableHostIsLeftAlone(t *testing.T) {
	s := fleetSpec(2, many("web", "small", 4)...)
	w := newWorld(t, s)
	w.converge(s)
	w.obs.Hosts["host.h1"].Reachable, w.obs.Hosts["host.h1"].Error = false, "ssh: timed out"
	more := edit(s, func(s *spec.Spec) { s.Instances = append(many("web", "small", 3), inst("x", "big")) })
	p := w.approve(more, Options{})
	if p.Summary.Unseen != 1 || !slices.Equal(codes(p.Warnings), []string{CodeHostUnreachable}) {
		t.Errorf("%+v %+v", p.Summary, p.Warnings)
	}
	for _, op := range p.Operations {
		if op.To == "host.h1" || op.From == "host.h1" {
			t.Errorf("touches h1: %+v", op)
		}
	}
	w.run()
	w.obs.Hosts["host.h1"].Reachable = true
	w.converge(more)
}

// TestLateDefinitions: what calls that arrived late have defined stands in nobody's way, as long as it is off.
func TestLateDefinitions(t *testing.T) {
	w, s, in, _ := one(t)
	past := Domain{UUID: in.UUID, Name: in.Domain, Power: PowerOff, Persistent: true, Cluster: testCluster, Address: in.Address, Generation: 1}
	w.converge(edit(s, func(s *spec.Spec) { s.Instances = nil }))
	w.foreign("host.h2", past)
	if p := w.replan(); len(p.Errors) != 0 || !slices.Equal(codes(p.Warnings), []string{CodeStaleCopy}) {
		t.Errorf("of a life that is over: errors %+v, warnings %+v", p.Errors, p.Warnings)
	}
	running := &w.obs.Hosts["host.h2"].Domains[0]
	running.Power = PowerRunning
	if p := w.replan(); !slices.Equal(codes(p.Errors), []string{CodeUnknownDomain}) {
		t.Errorf("of one that runs: %+v", p.Errors)
	}
	running.Power, running.UUID = PowerOff, state.InstanceUUID(testCluster, in.Address, 9)
	if p := w.replan(); !slices.Equal(codes(p.Errors), []string{CodeUnknownDomain}) {
		t.Errorf("of a life that the record doesn't know: %+v", p.Errors)
	}
}

// TestDefinitionLeftByMove: a move that was given up can leave the next generation's definition at its
// destination.
func TestDefinitionLeftByMove(t *testing.T) {
	w, _, in, d := one(t)
	left := *d
	left.Power, left.Generation = PowerOff, in.Generation+1
	w.foreign("host.h2", left)
	if p := w.replan(); !slices.Equal(codes(p.Errors), []string{CodeBehind}) {
		t.Fatalf("nobody moved it: %+v", p.Errors)
	}
	w.st.Operations = w.st.Operations.With("9-1", &state.Operation{ID: "9-1", Action: state.Migrate, Kind: state.Cold,
		Instance: in.Address, From: in.Host, To: "host.h2", Phase: state.Failed})
	if p := w.replan(); len(p.Errors) != 0 || !slices.Equal(codes(p.Warnings), []string{CodeStaleCopy}) {
		t.Errorf("a move there failed: errors %+v, warnings %+v", p.Errors, p.Warnings)
	}
	w.drop(in.Host, in.UUID)
	if p := w.replan(); !slices.Equal(codes(p.Errors), []string{CodeBehind}) {
		t.Errorf("gone from its host: %+v", p.Errors)
	}
}

// TestMissingUnderATakenName: somebody undefined the domain and gave its name to one of their own.
func TestMissingUnderATakenName(t *testing.T) {
	w, s, in, d := one(t)
	d.UUID, d.Cluster, d.Stack, d.Address = "33333333-3333-4333-8333-333333333333", "", "", ""
	p := w.plan(s, Options{})
	if len(p.Operations) != 0 || !slices.Equal(codes(p.Errors), []string{CodeNameTaken}) {
		t.Errorf("%s: operations %+v, errors %+v", in.Domain, p.Operations, p.Errors)
	}
}
