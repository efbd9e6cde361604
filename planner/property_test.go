package planner

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// TestPlansAreSafeAndConverge changes a small, crowded fleet at random, again and again. Every plan is
// carried out through the record in a random legal order, several operations at a time, and after
// every step no host is overcommitted and no group's policy broken. At the end nothing is left over, and
// the second plan does nothing.
func TestPlansAreSafeAndConverge(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := randomFleet(r)
		w := newWorld(r, s)
		w.resize(rapid.SampledFrom([]int64{1 << 20, 12 << 10, 6 << 10}).Draw(r, "pool"))
		for round := range rapid.IntRange(1, 5).Draw(r, "rounds") {
			s = mutate(r, s, round)
			o := Options{AllowPartial: rapid.Bool().Draw(r, "partial")}
			checkDeterminism(r, w, s, o)
			kept := w.comfortable(s)
			p := w.approve(s, o)
			for _, op := range p.Operations {
				if op.Action == state.Migrate && kept[op.Instance] && op.Reason.Code != ReasonHop {
					r.Fatalf("%s moves without need: %+v", op.Instance, op)
				}
			}
			w.runAtRandom(r, forever)
			if again := Compute(w.st, w.obs, testTime, o); !again.Empty() {
				r.Fatalf("second plan: %+v %+v\nfirst: %+v", again.Changes, again.Operations, p.Operations)
			}
		}
	})
}

// forever lets runAtRandom go on until nothing is left.
const forever = -1

// TestReplanningInTheMiddleConverges approves new specs while operations are pending and running, and
// lets some fail. What is under way is never doubled, and in the end the fleet is what the spec says.
func TestReplanningInTheMiddleConverges(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := randomFleet(r)
		w := newWorld(r, s)
		w.resize(rapid.SampledFrom([]int64{1 << 20, 12 << 10, 6 << 10}).Draw(r, "pool"))
		for round := range rapid.IntRange(1, 5).Draw(r, "rounds") {
			s = mutate(r, s, round)
			checkDeterminism(r, w, s, Options{})
			p := w.approve(s, Options{})
			checkOneAtATime(r, w, p)
			w.failures = rapid.Bool().Draw(r, "failures")
			w.runAtRandom(r, rapid.IntRange(0, 12).Draw(r, "steps"))
		}
		w.failures = false
		w.runAtRandom(r, forever)
		for tries := 0; ; tries++ {
			p := w.approve(s, Options{})
			if p.Empty() {
				break
			}
			if tries == 3 {
				r.Fatalf("doesn't converge: %+v", p.Changes)
			}
			w.runAtRandom(r, forever)
		}
	})
}

// checkOneAtATime: what has an operation that isn't finished gets no second one.
func checkOneAtATime(r *rapid.T, w *world, p *Plan) {
	planned := map[string]bool{}
	for _, op := range p.Operations {
		planned[op.ID] = true
	}
	open := map[spec.Address]bool{}
	for id, op := range w.st.Operations.All() {
		if !op.Phase.Final() && !planned[id] {
			open[op.Subject()] = true
		}
	}
	for _, op := range p.Operations {
		if open[op.Subject()] {
			r.Fatalf("%s has an operation under way and gets %+v", op.Subject(), op)
		}
	}
}

func randomFleet(r *rapid.T) *spec.Spec {
	s := fleetSpec(rapid.IntRange(2, 5).Draw(r, "hosts"))
	s.Flavors = append(s.Flavors, spec.Flavor{Address: "flavor.mid", Name: "mid", VCPUs: 2, RAM: 6144, Disk: 2048})
	s.Pools[0].Shared = rapid.Bool().Draw(r, "shared")
	for i := range s.Hosts {
		s.Hosts[i].Zone = rapid.SampledFrom([]spec.Address{"zone.az1", "zone.az2"}).Draw(r, "zone")
	}
	s.Groups = []spec.ServerGroup{
		{Address: "server_group.apart", Name: "apart", Policy: spec.AntiAffinity, MaxServerPerHost: rapid.IntRange(0, 2).Draw(r, "max")},
		{Address: "server_group.together", Name: "together", Policy: spec.Affinity, SplitWhileMoving: rapid.Bool().Draw(r, "split")},
		{Address: "server_group.soft", Name: "soft", Policy: spec.SoftAntiAffinity},
	}
	s.Migration = spec.Migration{ParallelPerHost: rapid.IntRange(1, 3).Draw(r, "parallel")}
	return s
}

// mutate returns the next version of a spec.
func mutate(r *rapid.T, s *spec.Spec, round int) *spec.Spec {
	return edit(s, func(s *spec.Spec) {
		s.Instances = slices.DeleteFunc(s.Instances, func(spec.Instance) bool { return rapid.IntRange(0, 4).Draw(r, "remove") == 0 })
		for n := range rapid.IntRange(0, 5).Draw(r, "add") {
			in := inst(fmt.Sprintf("i%d-%d", round, n), rapid.SampledFrom([]string{"small", "mid", "big"}).Draw(r, "flavor"))
			in.Group = rapid.SampledFrom([]spec.Address{"", "", "server_group.apart", "server_group.together", "server_group.soft"}).Draw(r, "group")
			in.Zone = rapid.SampledFrom([]spec.Address{"", "", "zone.az1"}).Draw(r, "wants zone")
			in.State = rapid.SampledFrom([]spec.Power{spec.Running, spec.Running, spec.Stopped, spec.Paused}).Draw(r, "state")
			// A keypair of its own keeps it from looking like a renamed one.
			in.Keypair = spec.NewAddress("keypair", in.Name)
			s.Instances = append(s.Instances, in)
		}
		for i := range s.Instances {
			switch in := &s.Instances[i]; rapid.IntRange(0, 9).Draw(r, "change") {
			case 0:
				in.Host = s.Hosts[rapid.IntRange(0, len(s.Hosts)-1).Draw(r, "pin")].Address
			case 1:
				in.Host, in.Zone = "", "zone.az2"
			case 2:
				in.Group = rapid.SampledFrom([]spec.Address{"", "server_group.apart", "server_group.together"}).Draw(r, "regroup")
			}
		}
		for i := range s.Hosts {
			s.Hosts[i].Mode = rapid.SampledFrom([]spec.Mode{spec.ModeActive, spec.ModeActive, spec.ModeActive, spec.ModeDrain, spec.ModeCordon}).Draw(r, "mode")
		}
	})
}

// checkDeterminism computes the same plan again from inputs in another order.
func checkDeterminism(r *rapid.T, w *world, s *spec.Spec, o Options) {
	want := w.plan(s, o)
	for _, h := range w.obs.Hosts {
		slices.Reverse(h.Domains)
	}
	if diff := cmp.Diff(want, w.plan(s, o)); diff != "" {
		r.Fatalf("the order of domains changes the plan: %s", diff)
	}
}

// comfortable are the instances whose hosts are right for them under s: they must not move.
func (w *world) comfortable(s *spec.Spec) map[spec.Address]bool {
	d := state.NewDesired(s)
	kept := map[spec.Address]bool{}
	for _, in := range w.st.Instances.All() {
		want, h := d.Index.Instances[in.Address], d.Index.Hosts[in.Host]
		if want == nil || h.Mode == spec.ModeDrain || want.Host != "" && want.Host != in.Host || want.Zone != "" && want.Zone != h.Zone {
			continue
		}
		kept[in.Address] = want.Group == "" || want.Group == "server_group.soft"
	}
	return kept
}

// runAtRandom starts and finishes operations in any order that the record allows.
func (w *world) runAtRandom(r *rapid.T, steps int) {
	breaches := w.breaches()
	for n := 0; n != steps; n++ {
		pending, running := w.pending(), w.inPhase(state.RunningOp)
		if len(pending) == 0 && len(running) == 0 {
			return
		}
		var startable []string
		for _, id := range pending {
			before := w.st
			if w.start(id) == nil {
				startable = append(startable, id)
			}
			w.st = before
		}
		if len(startable) == 0 && len(running) == 0 {
			op, _ := w.st.Operations.Get(pending[0])
			r.Fatalf("stuck with %d pending; %+v: %v", len(pending), op, w.start(op.ID))
		}
		k := rapid.IntRange(0, len(startable)+len(running)-1).Draw(r, "next")
		if k < len(startable) {
			w.must(state.Command{Start: &state.Start{Operation: startable[k], Epoch: 1}})
		} else {
			w.end(r, running[k-len(startable)])
		}
		w.checkSafe(r)
		if now := w.breaches(); now > breaches {
			r.Fatalf("group policies: %d breaches, %d before", now, breaches)
		} else {
			breaches = now
		}
	}
}

// end finishes a running operation, or, where failures happen, lets one fail that left no trace.
func (w *world) end(r *rapid.T, id string) {
	op, _ := w.st.Operations.Get(id)
	if w.failures && (op.Action == state.Create || op.Action == state.Migrate) && rapid.IntRange(0, 2).Draw(r, "fails") == 0 {
		w.must(state.Command{Finish: &state.Finish{Operation: id, Epoch: 1, Error: "no space left"}})
		return
	}
	w.finish(id)
}

// checkSafe wants no host overcommitted and no hard group policy broken that the spec's own change did
// not break.
func (w *world) checkSafe(r *rapid.T) {
	for a, used := range state.UsageOf(w.st) {
		h, _ := w.st.Hosts.Get(string(a))
		limits := state.Limits(w.st.Desired, a, &h.Inventory)
		if used.MemoryMiB > limits.AllowedMemoryMiB() || int64(used.VCPUs) > limits.AllowedVCPUs() {
			r.Fatalf("%s is overcommitted: %+v of %+v", a, used, limits)
		}
		seen := map[string]bool{}
		for _, d := range w.obs.Hosts[a].Domains {
			if seen[d.UUID] {
				r.Fatalf("%s has %s twice", a, d.UUID)
			}
			seen[d.UUID] = true
		}
	}
	for key, used := range state.PoolUsageOf(w.st) {
		for _, h := range w.obs.Hosts {
			if most := h.Inventory.Pools[0].CapacityMiB; used > most {
				r.Fatalf("pool %q is overcommitted: %d of %d MiB", key, used, most)
			}
		}
	}
}

// breaches counts how far hard group policies are from being met. A change of the spec may break one; no
// operation may, but those of a group that moves as a whole: while one of them isn't done, its group may be on
// the host that it leaves and the one that it goes to, and nowhere else.
func (w *world) breaches() int {
	type seat struct{ group, host spec.Address }
	members, hosts := map[seat]int{}, map[spec.Address]map[spec.Address]bool{}
	n := 0
	for a := range w.obs.Hosts {
		for _, in := range w.st.Residents(a) {
			if g := w.st.Desired.Group(in); g != nil {
				members[seat{g.Address, a}]++
			}
		}
	}
	for _, in := range w.st.Instances.All() {
		if g := w.st.Desired.Group(in.Address); g != nil && g.Policy == spec.Affinity {
			if hosts[g.Address] == nil {
				hosts[g.Address] = map[spec.Address]bool{}
			}
			hosts[g.Address][in.Host] = true
		}
	}
	for s, count := range members {
		if g := w.st.Desired.Index.Groups[s.group]; g != nil && g.Policy == spec.AntiAffinity {
			n += max(0, count-max(1, g.MaxServerPerHost))
		}
	}
	for g, on := range hosts {
		if !w.onItsWay(g, on) {
			n += len(on) - 1
		}
	}
	return n
}

// onItsWay reports whether a group is on the two hosts of a move of its own that isn't done, and may be.
func (w *world) onItsWay(g spec.Address, on map[spec.Address]bool) bool {
	if len(on) != 2 {
		return false
	}
	off := true
	for _, a := range w.st.Desired.Members(g) {
		if in, ok := w.st.Instances.Get(string(a)); ok {
			off = off && in.Stopped
		}
	}
	if !off && !w.st.Desired.Index.Groups[g].SplitWhileMoving {
		return false
	}
	for _, op := range w.st.Operations.All() {
		if op.Unit == g && op.Phase != state.Done && on[op.From] && on[op.To] {
			return true
		}
	}
	return false
}

func TestInputOrderOfInstancesDecidesTiesOnly(t *testing.T) {
	s := fleetSpec(4, many("web", "small", 8)...)
	w := newWorld(t, s)
	p := w.plan(s, Options{})
	count := map[spec.Address]int{}
	for _, op := range p.Operations {
		if op.Action == state.Create {
			count[op.To]++
		}
	}
	for h, n := range count {
		if n != 2 {
			t.Errorf("%s gets %d", h, n)
		}
	}
	if p.Operations[4].To != "host.h1" || p.Operations[5].To != "host.h2" {
		t.Errorf("ties don't go to the first host: %+v", p.Operations[4:6])
	}
}

func TestSwapOfFullHosts(t *testing.T) {
	s := fleetSpec(3, inst("a", "big"), inst("b", "big"))
	s.Instances[0].Host, s.Instances[1].Host = "host.h1", "host.h2"
	w := newWorld(t, s)
	w.converge(s)
	swapped := edit(s, func(s *spec.Spec) { s.Instances[0].Host, s.Instances[1].Host = "host.h2", "host.h1" })
	p := w.plan(swapped, Options{})
	if len(p.Operations) != 3 {
		t.Fatalf("%+v %+v", p.Operations, p.Errors)
	}
	w.converge(swapped)
	if w.at("instance.a") != "host.h2" || w.at("instance.b") != "host.h1" {
		t.Error("not swapped")
	}
	// Without a third host there is no first step.
	tight := edit(s, func(s *spec.Spec) { s.Hosts[2].Mode = spec.ModeCordon })
	p = w.plan(tight, Options{})
	if len(p.Operations) != 0 || len(p.Errors) != 2 || p.Errors[0].Code != CodeNoOrder || p.Summary.Unplaced != 2 || len(p.Changes) != 1 {
		t.Errorf("%+v %+v %+v", p.Operations, p.Errors, p.Changes)
	}
}

func TestRoomIsFreedBeforeItIsUsed(t *testing.T) {
	s := fleetSpec(1, inst("a", "big"))
	w := newWorld(t, s)
	w.converge(s)
	p := w.converge(edit(s, func(s *spec.Spec) {
		s.Instances = []spec.Instance{inst("b", "big")}
		s.Removed = []spec.Removed{{From: "instance.a", Destroy: true}}
	}))
	if len(p.Operations) != 2 || p.Operations[0].Action != state.Terminate || !slices.Equal(p.Operations[1].After, []string{p.Operations[0].ID}) {
		t.Errorf("%+v", p.Operations)
	}
}
