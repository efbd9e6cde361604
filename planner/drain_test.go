package planner

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// drain sets a host's mode.
func drain(s *spec.Spec, host string, mode spec.Mode) *spec.Spec {
	return edit(s, func(s *spec.Spec) {
		for i := range s.Hosts {
			if s.Hosts[i].Name == host {
				s.Hosts[i].Mode = mode
				s.Hosts[i].ModeAt = spec.Source{File: "prod.auto.npvars", Line: 1}
			}
		}
	})
}

func TestDrainEmptiesTheHostAndNothingElseMoves(t *testing.T) {
	s := fleetSpec(3, many("web", "small", 9)...)
	w := newWorld(t, s)
	w.converge(s)
	var there, others []spec.Address
	for _, in := range s.Instances {
		if w.at(in.Address) == "host.h2" {
			there = append(there, in.Address)
		} else {
			others = append(others, in.Address)
		}
	}
	was := map[spec.Address]spec.Address{}
	for _, a := range others {
		was[a] = w.at(a)
	}
	p := w.converge(drain(s, "h2", spec.ModeDrain))
	if p.Summary.Live != len(there) || p.Summary.Interrupt != 0 || p.Summary.Bytes == 0 || p.Summary.Seconds == 0 {
		t.Errorf("summary %+v for %d guests", p.Summary, len(there))
	}
	for _, ch := range p.Changes {
		if ch.Address.Kind() == "instance" && (ch.Reason.Code != ReasonHostDrain || ch.Reason.Message != "host h2 is draining (prod.auto.npvars:1)") {
			t.Errorf("%s: %+v", ch.Address, ch.Reason)
		}
	}
	for _, a := range there {
		if w.at(a) == "host.h2" {
			t.Errorf("%s is still on h2", a)
		}
	}
	for a, h := range was {
		if w.at(a) != h {
			t.Errorf("%s moved from %s to %s", a, h, w.at(a))
		}
	}
}

func TestDrainThatDoesNotFitMovesNothing(t *testing.T) {
	s := fleetSpec(3, many("db", "big", 2)...)
	s.Instances = append(s.Instances, many("web", "small", 4)...)
	pinned := inst("gpu", "small")
	pinned.Host, pinned.Source = "host.h1", spec.Source{File: "gpu.np.hcl", Line: 7}
	s.Instances = append(s.Instances, pinned)
	w := newWorld(t, s)
	w.converge(s)
	// h3 gets crowded by somebody else: 12 GiB no longer fit there, nor on the other db's host.
	w.obs.Hosts["host.h3"].Inventory.Foreign = state.Usage{MemoryMiB: 8192, Instances: 1}
	w.recordHost("host.h3")
	draining := drain(s, "h1", spec.ModeDrain)
	p := w.plan(draining, Options{})
	if len(p.Operations) != 0 || len(p.Unplaced) != 2 || p.Summary.Unplaced != 2 {
		t.Fatalf("operations %+v, unplaced %+v", p.Operations, p.Unplaced)
	}
	if len(p.Errors) != 1 || p.Errors[0].Code != CodeDrainRefused {
		t.Fatalf("errors %+v", p.Errors)
	}
	want := Message{Code: CodeDrainRefused, Address: "host.h1", Source: spec.Source{File: "prod.auto.npvars", Line: 1},
		Summary: "h1 can't be emptied: 0 of 2 guests fit elsewhere, 2 don't",
		Detail: []string{
			"instance.db[0]  3 hosts: 1 compute, 2 ram",
			"    nearest: h2, ram: wants 12288 MiB, 4096 of 16384 left at ratio 1",
			"instance.gpu  pinned to host.h1 (gpu.np.hcl:7)",
			"Nothing on h1 will move. Make room, change what the guests ask for, or -allow-partial.",
		}}
	if diff := cmp.Diff(want, p.Errors[0]); diff != "" {
		t.Error(diff)
	}
}

func TestAllowPartialMovesWhatFits(t *testing.T) {
	s := fleetSpec(2, many("web", "small", 4)...)
	s.Instances[0].Host = "host.h1"
	w := newWorld(t, s)
	w.converge(s)
	p := w.approve(drain(s, "h1", spec.ModeDrain), Options{AllowPartial: true})
	if p.Summary.Live != 1 || p.Summary.Unplaced != 1 || len(p.Errors) != 0 || p.Warnings[0].Code != CodeDrainPartial {
		t.Errorf("summary %+v, errors %+v, warnings %+v", p.Summary, p.Errors, p.Warnings)
	}
	w.run()
}

func TestTakingADrainBackWithdrawsWhatIsPending(t *testing.T) {
	s := fleetSpec(3, many("web", "small", 6)...)
	w := newWorld(t, s)
	w.converge(s)
	w.approve(drain(s, "h1", spec.ModeDrain), Options{})
	ids := w.pending()
	if len(ids) != 2 {
		t.Fatalf("%d pending", len(ids))
	}
	if r := w.start(ids[0]); r != nil {
		t.Fatal(r)
	}
	p := w.approve(s, Options{})
	if !cmp.Equal(p.Cancel, ids[1:]) || len(p.Operations) != 0 {
		t.Errorf("cancel %v, operations %+v", p.Cancel, p.Operations)
	}
	w.finish(ids[0])
	w.run()
	w.settled()
}

func TestHowGuestsLeave(t *testing.T) {
	s := fleetSpec(2, inst("a", "small"), inst("b", "small"), inst("c", "small"), inst("d", "small"))
	for i := range s.Instances {
		s.Instances[i].Host = "host.h1"
	}
	s.Instances[1].State, s.Instances[2].State = spec.Stopped, spec.Paused
	w := newWorld(t, s)
	w.converge(s)
	free := edit(drain(s, "h1", spec.ModeDrain), func(s *spec.Spec) {
		for i := range s.Instances {
			s.Instances[i].Host = ""
		}
	})
	p := w.plan(free, Options{})
	got := map[spec.Address]state.Kind{}
	for _, op := range p.Operations {
		got[op.Instance] = op.Kind
	}
	want := map[spec.Address]state.Kind{"instance.a": state.Live, "instance.b": state.Cold, "instance.c": state.Live, "instance.d": state.Live}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	d, _ := w.st.Instances.Get("instance.d")
	w.domain(d).Power = PowerSaved
	free.Instances[3].State = spec.Suspended
	p = w.plan(free, Options{})
	if len(p.Operations) != 0 || len(p.Unplaced) != 1 || p.Unplaced[0].Reason.Code != CodeSaved || !strings.Contains(p.Errors[0].Summary, "3 of 4 guests fit elsewhere, 1 doesn't") {
		t.Errorf("operations %d, unplaced %+v, errors %+v", len(p.Operations), p.Unplaced, p.Errors)
	}
}

func TestLocalDisksAreCopied(t *testing.T) {
	price := map[bool]int64{}
	for _, shared := range []bool{true, false} {
		s := fleetSpec(2, inst("a", "small"))
		s.Pools[0].Shared = shared
		w := newWorld(t, s)
		w.converge(s)
		p := w.plan(drain(s, "h1", spec.ModeDrain), Options{})
		price[shared] = p.Summary.Bytes
	}
	if price[true] == 0 || price[false] <= price[true] {
		t.Errorf("bytes shared %d, local %d", price[true], price[false])
	}
}

func TestDrainOfAStoppedButWantedGuestMovesThenStarts(t *testing.T) {
	s := fleetSpec(2, inst("a", "small"))
	w := newWorld(t, s)
	w.converge(s)
	in, _ := w.st.Instances.Get("instance.a")
	w.domain(in).Power = PowerOff
	p := w.converge(drain(s, "h1", spec.ModeDrain))
	if len(p.Operations) != 2 || p.Operations[0].Kind != state.Cold || p.Operations[1].Action != state.StartUp || !cmp.Equal(p.Operations[1].After, []string{p.Operations[0].ID}) {
		t.Errorf("%+v", p.Operations)
	}
}

func TestAFailedMoveTriesAnotherHost(t *testing.T) {
	s := fleetSpec(3, inst("a", "small"))
	w := newWorld(t, s)
	w.converge(s)
	draining := drain(s, "h1", spec.ModeDrain)
	for _, want := range []spec.Address{"host.h2", "host.h3", "host.h2"} {
		p := w.approve(draining, Options{})
		if len(p.Operations) != 1 || p.Operations[0].To != want {
			t.Fatalf("%+v, want %s", p.Operations, want)
		}
		if r := w.start(p.Operations[0].ID); r != nil {
			t.Fatal(r)
		}
		w.must(state.Command{Finish: &state.Finish{Operation: p.Operations[0].ID, Epoch: 1, Error: "no login"}})
	}
}

func TestSharedPoolIsCountedOnce(t *testing.T) {
	s := fleetSpec(3, many("web", "small", 6)...)
	w := newWorld(t, s)
	w.resize(4096)
	p := w.approve(s, Options{})
	if p.Summary.Create != 4 || len(p.Unplaced) != 2 {
		t.Fatalf("%+v", p.Summary)
	}
	if want := "disk: wants 1024 MiB, 0 of 4096 left at ratio 1 in shared pool /p"; p.Unplaced[0].Placement.Nearest.Message != want {
		t.Errorf("%q, want %q", p.Unplaced[0].Placement.Nearest.Message, want)
	}
	w.run()
	if p := w.approve(drain(s, "h1", spec.ModeDrain), Options{}); p.Summary.Live == 0 {
		t.Errorf("a move takes nothing of a full pool: %+v", p.Errors)
	}
	w.run()
	p = w.approve(edit(s, func(s *spec.Spec) { s.Instances = append(s.Instances[1:4:4], inst("late", "small")) }), Options{})
	gone := p.Operations[0]
	if gone.Action != state.Terminate || p.Summary.Create != 1 || !slices.Contains(p.Operations[1].After, gone.ID) {
		t.Errorf("on whatever host room is made, what needs it comes after: %+v", p.Operations)
	}
	w.run()
}

func TestEachPoolHasItsOwnSpace(t *testing.T) {
	s := fleetSpec(1, inst("a", "small"), inst("b", "small"))
	s.Pools = append(s.Pools, spec.Pool{Address: "pool.q", Name: "q", Type: spec.PoolDir, Path: "/q"})
	s.Instances[0].Pool, s.Instances[1].Pool = "pool.p", "pool.q"
	w := newWorld(t, s)
	w.obs.Hosts["host.h1"].Inventory.Pools = []state.PoolInventory{{Path: "/p", CapacityMiB: 4096}, {Path: "/q", CapacityMiB: 1023}}
	w.recordHost("host.h1")
	p := w.plan(s, Options{})
	if len(p.Unplaced) != 1 || p.Unplaced[0].Placement.Nearest.Message != "disk: wants 1024 MiB, pool /q has 1023 in all" {
		t.Errorf("%+v", p.Unplaced)
	}
}

func TestTargetBringsTheOnlyPool(t *testing.T) {
	s := fleetSpec(1, inst("a", "small"), inst("b", "small"))
	w := newWorld(t, s)
	w.approve(s, Options{Target: []spec.Address{"instance.a"}})
	w.run()
	if in, _ := w.st.Instances.Get("instance.a"); in.Pool.Path != "/p" {
		t.Errorf("%+v", in.Pool)
	}
}
