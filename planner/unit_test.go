package planner

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

const db = spec.Address("server_group.db")

// together is a settled fleet whose group db is on h1: n instances, of the flavor, and whatever else.
func together(t failer, hosts, n int, flavor string, others ...spec.Instance) (*world, *spec.Spec) {
	s := fleetSpec(hosts, append(many("db", flavor, n), others...)...)
	s.Groups = []spec.ServerGroup{{Address: db, Name: "db", Policy: spec.Affinity, SplitWhileMoving: true, Source: spec.Source{File: "db.np.hcl", Line: 3}}}
	for i := range n {
		s.Instances[i].Group = db
	}
	w := newWorld(t, s)
	w.converge(s)
	return w, s
}

// without takes the word away.
func without(s *spec.Spec) *spec.Spec {
	return edit(s, func(s *spec.Spec) {
		s.Groups = slices.Clone(s.Groups)
		s.Groups[0].SplitWhileMoving = false
	})
}

// pin sets the hosts of the first instances.
func pin(s *spec.Spec, hosts ...spec.Address) *spec.Spec {
	return edit(s, func(s *spec.Spec) {
		for i, h := range hosts {
			s.Instances[i].Host = h
		}
	})
}

func (w *world) fails(id string) {
	w.t.Helper()
	if r := w.start(id); r != nil {
		w.t.Fatal(r)
	}
	w.must(state.Command{Finish: &state.Finish{Operation: id, Epoch: 1, Error: "no login"}})
}

func (w *world) moves(id string) {
	w.t.Helper()
	if r := w.start(id); r != nil {
		w.t.Fatal(r)
	}
	w.finish(id)
}

// places is where the members of the group are.
func (w *world) places(s *spec.Spec) string {
	var all []string
	for _, in := range s.Instances {
		if in.Group == db {
			all = append(all, w.at(in.Address).Short())
		}
	}
	return strings.Join(all, " ")
}

func TestDrainMovesAGroupAsAWhole(t *testing.T) {
	w, s := together(t, 3, 3, "small", inst("web", "big"))
	s = edit(s, func(s *spec.Spec) { s.Instances[2].State = spec.Stopped })
	w.converge(s)
	w.obs.Hosts["host.h2"].Inventory.Foreign = state.Usage{MemoryMiB: 14 << 10} // room for two of three
	w.recordHost("host.h2")
	p := w.approve(drain(s, "h1", spec.ModeDrain), Options{})
	if len(p.Operations) != 3 || len(p.Errors) != 0 {
		t.Fatalf("%+v %+v", p.Operations, p.Errors)
	}
	first := p.Operations[0].ID
	for i, op := range p.Operations {
		want := state.Operation{To: "host.h3", Unit: db, Kind: state.Live}
		if i > 0 {
			want.After = []string{first}
		}
		if i == 2 {
			want.Kind = state.Cold
		}
		if diff := cmp.Diff(want, state.Operation{To: op.To, Unit: op.Unit, Kind: op.Kind, After: op.After}); diff != "" {
			t.Errorf("%s: %s", op.Instance, diff)
		}
	}
	w.run()
	w.settled()
}

func TestAGroupStaysAsAWhole(t *testing.T) {
	for name, test := range map[string]struct {
		change func(w *world, s *spec.Spec) *spec.Spec
		want   []string
	}{
		"the spec doesn't allow a split": {
			change: func(_ *world, s *spec.Spec) *spec.Spec { return without(s) },
			want: []string{
				"instance.db[0]  2 members of group db are on h1, and affinity lets none leave before the others: set split_while_moving = true in server_group.db (db.np.hcl:3), or stop them all",
				"instance.db[1]  2 members of group db are on h1, and affinity lets none leave before the others: set split_while_moving = true in server_group.db (db.np.hcl:3), or stop them all",
			},
		},
		"not all fit": {
			change: func(w *world, s *spec.Spec) *spec.Spec {
				for _, h := range []spec.Address{"host.h2", "host.h3"} {
					w.obs.Hosts[h].Inventory.Foreign = state.Usage{MemoryMiB: 15 << 10}
					w.recordHost(h)
				}
				return s
			},
			want: []string{
				"instance.db[0]  goes only with the whole of group db, 2 instances: 3 hosts: 1 compute, 2 ram",
				"    nearest: h2, instance.db[0], ram: wants 1024 MiB, 0 of 16384 left at ratio 1",
				"instance.db[1]  goes only with the whole of group db, 2 instances: 3 hosts: 1 compute, 2 ram",
				"    nearest: h2, instance.db[0], ram: wants 1024 MiB, 0 of 16384 left at ratio 1",
			},
		},
		"one is pinned": {
			change: func(_ *world, s *spec.Spec) *spec.Spec { return pin(s, "host.h1") },
			want: []string{
				"instance.db[0]  pinned to host.h1",
				"instance.db[1]  goes only with the whole of group db, and instance.db[0] is pinned to host.h1",
			},
		},
		"one is suspended": {
			change: func(w *world, s *spec.Spec) *spec.Spec {
				in, _ := w.st.Instances.Get("instance.db[1]")
				w.domain(in).Power = PowerSaved
				return edit(s, func(s *spec.Spec) { s.Instances[1].State = spec.Suspended })
			},
			want: []string{
				"instance.db[0]  goes only with the whole of group db, and instance.db[1] is suspended: its memory is saved on h1; resume or stop it first",
				"instance.db[1]  is suspended: its memory is saved on h1; resume or stop it first",
			},
		},
		"one is frozen": {
			change: func(w *world, s *spec.Spec) *spec.Spec {
				w.must(state.Command{Freeze: &state.Freeze{Instance: "instance.db[1]", Why: "test"}})
				return s
			},
			want: []string{"instance.db[0]  goes only with the whole of group db, and instance.db[1] is frozen"},
		},
	} {
		w, s := together(t, 3, 2, "small")
		p := w.plan(drain(test.change(w, s), "h1", spec.ModeDrain), Options{})
		if len(p.Operations) != 0 || len(p.Errors) != 1 {
			t.Fatalf("%s: %+v %+v", name, p.Operations, p.Errors)
		}
		if diff := cmp.Diff(test.want, p.Errors[0].Detail[:len(p.Errors[0].Detail)-1]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAStoppedGroupMovesWithoutTheWord(t *testing.T) {
	w, s := together(t, 2, 2, "small")
	off := edit(without(s), func(s *spec.Spec) { s.Instances[0].State, s.Instances[1].State = spec.Stopped, spec.Stopped })
	w.converge(off)
	// They are to run again: only when all of them have arrived.
	p := w.converge(drain(without(s), "h1", spec.ModeDrain))
	if len(p.Operations) != 4 || w.places(s) != "h2 h2" {
		t.Fatalf("%s: %+v", w.places(s), p.Operations)
	}
	for _, op := range p.Operations[2:] {
		if op.Action != state.StartUp || !slices.Contains(op.After, p.Operations[0].ID) || !slices.Contains(op.After, p.Operations[1].ID) {
			t.Errorf("%+v", op)
		}
	}
}

func TestAPinTakesTheGroupAlong(t *testing.T) {
	w, s := together(t, 3, 3, "small")
	p := w.converge(pin(s, "", "host.h3"))
	if len(p.Operations) != 3 || w.places(s) != "h3 h3 h3" {
		t.Errorf("%s: %+v", w.places(s), p.Operations)
	}
	if p.Operations[0].Reason.Code != ReasonGroupMove || p.Operations[1].Reason.Code != ReasonPinChanged {
		t.Errorf("%+v", p.Operations)
	}
	w.converge(pin(s, "host.h2", "host.h2", "host.h2"))
	if w.places(s) != "h2 h2 h2" {
		t.Error(w.places(s))
	}
	p = w.plan(pin(s, "host.h1", "host.h3", ""), Options{})
	if len(p.Operations) != 0 || len(p.Unplaced) != 2 {
		t.Errorf("pins that contradict each other: %+v %+v", p.Operations, p.Unplaced)
	}
	p = w.plan(pin(without(s), "host.h1", "host.h1", "host.h1"), Options{})
	if len(p.Operations) != 0 || len(p.Unplaced) != 3 || p.Unplaced[0].Reason.Code != CodeGroupTogether {
		t.Errorf("without the word: %+v %+v", p.Operations, p.Unplaced)
	}
	locked := edit(pin(s, "host.h1", "host.h1"), func(s *spec.Spec) { s.Instances[2].Locked = "audit" })
	if p = w.plan(locked, Options{}); len(p.Operations) != 0 || !strings.Contains(p.Unplaced[0].Reason.Message, "instance.db[2] is locked (audit)") {
		t.Errorf("with a locked one: %+v %+v", p.Operations, p.Unplaced)
	}
}

func TestASingleMemberMovesWithoutTheWord(t *testing.T) {
	w, s := together(t, 2, 1, "small")
	p := w.converge(drain(without(s), "h1", spec.ModeDrain))
	if len(p.Operations) != 1 || p.Operations[0].Unit != "" || w.places(s) != "h2" {
		t.Errorf("%+v", p.Operations)
	}
}

func TestAFailureOfTheFirstLeavesTheGroupTogether(t *testing.T) {
	w, s := together(t, 3, 3, "small")
	draining := drain(s, "h1", spec.ModeDrain)
	p := w.approve(draining, Options{})
	if r := w.start(p.Operations[1].ID); r == nil {
		t.Error("the second leaves before the first has arrived")
	}
	if to, _ := NextHost(w.st, w.obs, testTime, &p.Operations[0]); to != "" {
		t.Errorf("it would go to %s without the others", to)
	}
	w.fails(p.Operations[0].ID)
	if w.places(s) != "h1 h1 h1" || len(w.pending()) != 0 {
		t.Errorf("%s, pending %v", w.places(s), w.pending())
	}
	if p = w.approve(draining, Options{}); len(p.Operations) != 3 || p.Operations[0].To != "host.h3" {
		t.Errorf("the next try goes elsewhere: %+v", p.Operations)
	}
}

// TestASplitGroupIsBroughtTogether breaks a move off when one of three has arrived on h2.
func TestASplitGroupIsBroughtTogether(t *testing.T) {
	for name, test := range map[string]struct {
		next  func(w *world, s *spec.Spec) *spec.Spec
		want  string
		error string
	}{
		"onwards":          {next: func(_ *world, s *spec.Spec) *spec.Spec { return drain(s, "h1", spec.ModeDrain) }, want: "h2 h2 h2"},
		"drain taken back": {next: func(_ *world, s *spec.Spec) *spec.Spec { return s }, want: "h1 h1 h1"},
		"pinned":           {next: func(_ *world, s *spec.Spec) *spec.Spec { return pin(s, "", "host.h2") }, want: "h2 h2 h2"},
		"back is full": {next: func(w *world, s *spec.Spec) *spec.Spec {
			w.obs.Hosts["host.h1"].Inventory.Foreign = state.Usage{MemoryMiB: 14 << 10}
			w.recordHost("host.h1")
			return s
		}, want: "h2 h2 h2"},
		"onwards is full": {next: func(w *world, s *spec.Spec) *spec.Spec {
			w.obs.Hosts["host.h2"].Inventory.Foreign = state.Usage{MemoryMiB: 14 << 10}
			w.recordHost("host.h2")
			return drain(s, "h1", spec.ModeDrain)
		}, want: "h2 h1 h1", error: "group db is on h1, h2, and none of these can take all of it"},
		"the word is gone": {next: func(_ *world, s *spec.Spec) *spec.Spec { return drain(without(s), "h1", spec.ModeDrain) },
			want: "h2 h1 h1", error: "set split_while_moving"},
		"one behind needs no word": {next: func(_ *world, s *spec.Spec) *spec.Spec { return without(s) }, want: "h1 h1 h1"},
	} {
		w, s := together(t, 3, 3, "small")
		p := w.approve(drain(s, "h1", spec.ModeDrain), Options{})
		w.moves(p.Operations[0].ID)
		for _, op := range p.Operations[1:] {
			w.fails(op.ID)
		}
		s = test.next(w, s)
		p = w.approve(s, Options{})
		if test.error == "" && len(p.Errors) > 0 || test.error != "" && !strings.Contains(strings.Join(p.Errors[0].Detail, "\n"), test.error) {
			t.Errorf("%s: %+v", name, p.Errors)
		}
		w.run()
		if got := w.places(s); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
		if again := w.replan(); !again.Empty() {
			t.Errorf("%s: second plan %+v", name, again.Changes)
		}
	}
}

func TestAPendingMoveOfAGroupFollowsTheSpec(t *testing.T) {
	for name, test := range map[string]struct {
		next   func(s *spec.Spec) *spec.Spec
		cancel int
		want   string
	}{
		"unchanged":              {next: func(s *spec.Spec) *spec.Spec { return s }, want: "h2 h2"},
		"one more joins":         {next: func(s *spec.Spec) *spec.Spec { return edit(s, func(s *spec.Spec) { s.Instances[2].Group = db }) }, cancel: 2, want: "h2 h2 h2"},
		"one is pinned":          {next: func(s *spec.Spec) *spec.Spec { return pin(s, "host.h3") }, cancel: 2, want: "h3 h3"},
		"one leaves the group":   {next: func(s *spec.Spec) *spec.Spec { return edit(s, func(s *spec.Spec) { s.Instances[0].Group = "" }) }, cancel: 2, want: "h3"},
		"the split is forbidden": {next: without, cancel: 2, want: "h1 h1"},
	} {
		w, s := together(t, 3, 2, "small", pinned("web", "host.h1"))
		s.Instances[2].Host = ""
		w.approve(drain(s, "h1", spec.ModeDrain), Options{})
		for _, id := range w.pending() { // only the group's are left
			if op, _ := w.st.Operations.Get(id); op.Unit == "" {
				w.must(state.Command{Cancel: &state.Cancel{Operations: []string{id}}})
			}
		}
		s = drain(test.next(s), "h1", spec.ModeDrain)
		p := w.approve(s, Options{AllowPartial: true})
		if len(p.Cancel) != test.cancel {
			t.Errorf("%s: %v cancelled", name, p.Cancel)
		}
		w.run()
		if got := w.places(s); got != test.want {
			t.Errorf("%s: %s, want %s; %+v", name, got, test.want, p.Warnings)
		}
	}
}

func TestTheOldRecordKnowsNoSplit(t *testing.T) {
	w, s := together(t, 2, 2, "small")
	w.st.Level = state.LevelMain
	p := w.plan(drain(s, "h1", spec.ModeDrain), Options{})
	if len(p.Operations) != 0 || len(p.Unplaced) != 2 || !strings.Contains(p.Unplaced[0].Reason.Message, "level") {
		t.Errorf("%+v %+v", p.Operations, p.Unplaced)
	}
}

// TestNoSwapOfHalfAGroup: full hosts can't swap a group and others, and no part of it is tried.
func TestNoSwapOfHalfAGroup(t *testing.T) {
	w, s := together(t, 2, 2, "small", pinned("a", "host.h2"), pinned("b", "host.h2"))
	swap := pin(s, "host.h2", "host.h2", "host.h1", "host.h1")
	for _, c := range []struct {
		foreign        int64
		operations, un int
	}{{13 << 10, 4, 0}, {14 << 10, 0, 4}} {
		for _, h := range []spec.Address{"host.h1", "host.h2"} {
			w.obs.Hosts[h].Inventory.Foreign = state.Usage{MemoryMiB: c.foreign}
			w.recordHost(h)
		}
		p := w.plan(swap, Options{})
		if len(p.Operations) != c.operations || len(p.Unplaced) != c.un {
			t.Errorf("%d MiB foreign: %+v %+v", c.foreign, p.Operations, p.Unplaced)
		}
	}
}

// TestGroupsMoveSafely drains and pins groups at random, lets moves fail, and replans. No step leaves a group on
// more than two hosts or on two that no move of it explains, and as long as there is a host for all of it,
// the group is together in the end.
func TestGroupsMoveSafely(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w, s := together(r, rapid.IntRange(2, 4).Draw(r, "hosts"), rapid.IntRange(2, 5).Draw(r, "members"), "small", many("web", "small", rapid.IntRange(0, 6).Draw(r, "others"))...)
		s.Migration = spec.Migration{ParallelPerHost: rapid.IntRange(1, 3).Draw(r, "parallel")}
		states := []spec.Power{spec.Running, spec.Running, spec.Running, spec.Stopped, spec.Paused}
		for range rapid.IntRange(1, 4).Draw(r, "rounds") {
			s = edit(s, func(s *spec.Spec) {
				for i := range s.Instances {
					s.Instances[i].State = rapid.SampledFrom(states).Draw(r, "state")
					s.Instances[i].Host = ""
				}
				if rapid.IntRange(0, 3).Draw(r, "pins") == 0 {
					s.Instances[0].Host = s.Hosts[rapid.IntRange(0, len(s.Hosts)-1).Draw(r, "pin")].Address
				}
				for i := range s.Hosts {
					s.Hosts[i].Mode = rapid.SampledFrom([]spec.Mode{spec.ModeActive, spec.ModeActive, spec.ModeDrain}).Draw(r, "mode")
				}
			})
			w.approve(s, Options{AllowPartial: rapid.Bool().Draw(r, "partial")})
			w.failures = rapid.Bool().Draw(r, "failures")
			w.runAtRandom(r, rapid.IntRange(0, 10).Draw(r, "steps"))
		}
		w.failures = false
		w.runAtRandom(r, forever)
		s = edit(s, func(s *spec.Spec) {
			s.Instances[0].Host = ""
			for i := range s.Hosts {
				s.Hosts[i].Mode = spec.ModeActive
			}
			for i := range s.Instances {
				s.Instances[i].State = spec.Running
			}
		})
		for range 4 {
			w.approve(s, Options{})
			w.runAtRandom(r, forever)
		}
		if p := w.replan(); !p.Empty() {
			r.Fatalf("doesn't converge: %+v", p.Changes)
		}
		on := strings.Fields(w.places(s))
		if slices.Sort(on); len(slices.Compact(on)) != 1 {
			r.Fatalf("not together: %s", w.places(s))
		}
	})
}
