package state

import (
	"slices"
	"testing"

	"github.com/novaplan/novaplan/spec"
)

func TestStartChecksCapacity(t *testing.T) {
	s := fleet(2, 8)
	s.Scheduler.Ratios.RAM = 1.5
	m := ready(t, s) // 4096 MiB at 1.5 is six times 1024
	var ops []Operation
	for i := range 7 {
		ops = append(ops, creates(OperationID(m.st, i+1), s.Instances[i].Address, h0))
	}
	m.approve(nil, ops...)
	for _, op := range ops[:6] {
		m.run(op.ID)
	}
	m.refused(NoCapacity, start(ops[6].ID))
	m.phase(ops[6].ID, Pending)
}

func TestStartCountsForeignDomains(t *testing.T) {
	m := ready(t, fleet(1, 1))
	inv := hostOf(m.st, h0).Inventory
	inv.Foreign = Usage{MemoryMiB: 6000}
	m.must(Command{SetInventory: &SetInventory{Host: h0, Name: "h0", Inventory: inv}})
	m.approve(nil, creates("1", web0, h0))
	m.refused(NoCapacity, start("1"))
}

func TestUnusableHosts(t *testing.T) {
	for name, spoil := range map[string]func(*machine){
		"drained": func(m *machine) {
			s := fleet(1, 1)
			s.Hosts[0].Mode = spec.ModeDrain
			m.approve(s)
		},
		"not in the spec": func(m *machine) { m.approve(fleet(0, 1)) },
		"claimed by another cluster": func(m *machine) {
			m.must(Command{SetInventory: &SetInventory{Host: h0, Inventory: Inventory{VCPUs: 4, MemoryMiB: 4096, Owner: "other"}}})
		},
		"with a verdict": func(m *machine) {
			m.must(Command{SetInventory: &SetInventory{Host: h0, Inventory: Inventory{VCPUs: 4, MemoryMiB: 4096, Verdict: "no KVM"}}})
		},
	} {
		m := ready(t, fleet(1, 1))
		m.approve(nil, creates("1", web0, h0))
		spoil(m)
		if r := m.apply(start("1")); r == nil || r.Code != NoCapacity {
			t.Errorf("%s: %v", name, r)
		}
	}
}

func grouped(hosts, instances int, policy spec.Policy) *spec.Spec {
	s := fleet(hosts, instances)
	s.Groups = []spec.ServerGroup{{Address: "server_group.g", Name: "g", Policy: policy}}
	for i := range s.Instances {
		s.Instances[i].Group = "server_group.g"
	}
	return s
}

func TestAntiAffinityCountsWhatIsOnItsWay(t *testing.T) {
	m := ready(t, grouped(3, 2, spec.AntiAffinity))
	m.approve(nil, creates("1", web0, h0), creates("2", web1, h1))
	m.run("1")
	m.run("2")
	m.approve(nil, migrates("3", web0, h0, h2), migrates("4", web1, h1, h2))
	m.must(start("3"))
	m.refused(GroupPolicy, start("4"))
	m.must(finish("3", "broke"))
	m.must(start("4"))
}

func TestAffinity(t *testing.T) {
	m := ready(t, grouped(2, 2, spec.Affinity))
	m.approve(nil, creates("1", web0, h0), creates("2", web1, h1), creates("3", web1, h0))
	m.run("1")
	m.refused(GroupPolicy, start("2"))
	m.run("3")
	m.approve(nil, migrates("4", web0, h0, h1))
	m.refused(GroupPolicy, start("4"))
}

func TestMigrationLimits(t *testing.T) {
	s := fleet(3, 5)
	s.Migration = spec.Migration{ParallelPerHost: 2, ParallelTotal: 3}
	m := ready(t, s)
	for i, in := range s.Instances {
		host := h0
		if i >= 3 {
			host = h1
		}
		id := OperationID(m.st, 1)
		m.approve(nil, creates(id, in.Address, host))
		m.run(id)
	}
	m.approve(nil, migrates("a", web0, h0, h2), migrates("b", web1, h0, h1), migrates("c", web2, h0, h2),
		migrates("d", s.Instances[3].Address, h1, h2), migrates("e", s.Instances[4].Address, h1, h2))
	m.must(start("a"))
	m.must(start("b"))
	m.refused(LimitReached, start("c")) // h0 sends two
	m.must(start("d"))
	m.refused(LimitReached, start("e")) // three in all, two to h2
	m.must(finish("a", ""))
	m.must(start("c"))
}

func TestUpdateLimit(t *testing.T) {
	m := ready(t, fleet(1, 2))
	m.approve(nil, creates("1", web0, h0), creates("2", web1, h0))
	m.run("1")
	m.run("2")
	a, b := acts("a", Stop, web0), acts("b", Stop, web1)
	a.Block, b.Block = "instance.web", "instance.web"
	m.approve(nil, a, b)
	m.must(start("a"))
	m.refused(LimitReached, start("b"))
	m.must(finish("a", ""))
	m.must(start("b"))
}

func TestOrderAndOneOperationPerInstance(t *testing.T) {
	m := ready(t, fleet(2, 1))
	after := acts("2", Stop, web0)
	after.After = []string{"1"}
	m.approve(nil, creates("1", web0, h0), after, acts("3", Pause, web0))
	m.refused(NotReady, start("2"))
	m.refused(WrongPhase, start("3")) // not in the record yet
	m.run("1")
	m.must(start("2"))
	m.refused(NotReady, start("3"))
	m.must(finish("2", ""))
	m.must(start("3"))
	m.refused(Unknown, start("nothing"))
}

func TestFailureWithdrawsWhatComesAfter(t *testing.T) {
	m := ready(t, fleet(1, 2))
	second, third := acts("2", Stop, web0), acts("3", Pause, web0)
	second.After, third.After = []string{"1"}, []string{"2"}
	m.approve(nil, creates("1", web0, h0), second, third, creates("4", web1, h0))
	m.must(start("1"))
	m.must(finish("1", "no such image"))
	m.phase("1", Failed)
	m.phase("2", Cancelled)
	m.phase("3", Cancelled)
	m.phase("4", Pending)
	if _, exists := m.st.Instances.Get(string(web0)); exists {
		t.Error("a failed create left a record")
	}
	if n := hostOf(m.st, h0).FailedBuilds; n != 1 {
		t.Errorf("%d failed builds, want 1", n)
	}
	m.approve(nil, creates("5", web0, h0))
	if got := m.op("5").Build.Incarnation; got != 2 {
		t.Errorf("incarnation %d after a failed create, want 2", got)
	}
}

func TestEpochs(t *testing.T) {
	m := ready(t, fleet(1, 1))
	m.approve(nil, creates("1", web0, h0))
	m.refused(WrongEpoch, Command{Start: &Start{Operation: "1", Epoch: 2}})
	m.must(start("1"))
	m.refused(WrongEpoch, start("1"))
	takeOver := Command{Start: &Start{Operation: "1", Epoch: 3}}
	if r := m.applyTerm(takeOver, 3); r != nil {
		t.Fatal(r)
	}
	m.refused(WrongEpoch, finish("1", ""))
	m.refused(WrongEpoch, Command{Step: &Step{Operation: "1", Epoch: 1, Step: "defined"}})
	m.refused(WrongEpoch, Command{Revoke: &Revoke{Operation: "1", Epoch: 1}})
	if r := m.applyTerm(Command{Finish: &Finish{Operation: "1", Epoch: 3}}, 3); r != nil {
		t.Fatal(r)
	}
}

func TestRetargetMovesABuild(t *testing.T) {
	m := ready(t, fleet(2, 1))
	m.approve(nil, creates("1", web0, h0))
	m.must(start("1"))
	m.must(Command{Step: &Step{Operation: "1", Epoch: 1, Step: "disks"}})
	m.must(Command{Retarget: &Retarget{Operation: "1", Epoch: 1, To: h1, Error: "no space"}})
	in, _ := m.st.Instances.Get(string(web0))
	op := m.op("1")
	if in.Host != h1 || op.To != h1 || len(op.Steps) != 0 || !slices.Equal(op.Tried, []spec.Address{h0}) || op.Attempt != 2 {
		t.Errorf("retargeted: %+v, %+v", in, op)
	}
	if hostOf(m.st, h0).Used != (Usage{}) || hostOf(m.st, h1).Used.Instances != 1 {
		t.Errorf("use: %+v, %+v", hostOf(m.st, h0).Used, hostOf(m.st, h1).Used)
	}
	m.must(finish("1", ""))
}

func TestRevoke(t *testing.T) {
	m := ready(t, fleet(2, 1))
	m.approve(nil, creates("1", web0, h0))
	m.must(start("1"))
	m.refused(WrongPhase, Command{Revoke: &Revoke{Operation: "1", Epoch: 1, Done: true}})
	m.must(Command{Revoke: &Revoke{Operation: "1", Epoch: 1, Reason: "a new leader"}})
	m.refused(WrongPhase, finish("1", ""))
	m.approve(nil, creates("2", web0, h1))
	m.refused(NotReady, start("2")) // it may still run on h0
	m.must(Command{Revoke: &Revoke{Operation: "1", Epoch: 1, Done: true}})
	m.must(start("2"))
}

func TestFrozenIsLeftAlone(t *testing.T) {
	m := ready(t, fleet(2, 1))
	m.approve(nil, creates("1", web0, h0))
	m.run("1")
	m.must(Command{Freeze: &Freeze{Instance: web0, Why: "h0 can't be read"}})
	m.approve(nil, migrates("2", web0, h0, h1))
	m.refused(WrongPhase, start("2"))
	m.must(Command{Freeze: &Freeze{Instance: web0, Thaw: true}})
	m.must(start("2"))
}

func TestSharedPoolIsCountedOnce(t *testing.T) {
	shared := func(op Operation) Operation {
		op.Build.Pool = Pool{Path: "/shared", Shared: true} // 3 GiB for all hosts together
		return op
	}
	m := ready(t, fleet(3, 4))
	m.approve(nil, shared(creates("1", web0, h0)), shared(creates("2", web1, h1)), shared(creates("3", web2, h2)),
		shared(creates("4", "instance.web[3]", h2)))
	m.run("1")
	m.run("2")
	m.must(start("3"))
	m.refused(NoCapacity, start("4"))
	m.must(Command{Retarget: &Retarget{Operation: "3", Epoch: 1, To: h0, Error: "it counts once on its second host too"}})
	m.must(finish("3", ""))
	m.approve(nil, migrates("5", web0, h0, h1))
	m.must(start("5"))
	if used := m.st.PoolUsed(h2, Pool{Path: "/shared", Shared: true}); used != 3*1024 {
		t.Errorf("%d MiB of the shared pool are used while one moves", used)
	}
	m.must(finish("5", ""))
	m.approve(nil, acts("6", Terminate, web1))
	m.run("6")
	m.must(start("4"))
}

func TestEachPoolHasItsOwnSpace(t *testing.T) {
	m := ready(t, fleet(2, 2))
	large := creates("1", web0, h0)
	large.Size.DiskMiB, large.Build.Pool = 4*1024, Pool{Path: "/shared"}
	m.approve(nil, large)
	m.refused(NoCapacity, start("1")) // the sum of both pools would do
	large.ID, large.Build.Pool = "2", Pool{}
	m.approve(nil, large)
	m.must(start("2"))
	m.must(finish("2", ""))
	m.approve(nil, migrates("3", web0, h0, h1))
	m.must(start("3"))
	if a, b := m.st.PoolUsed(h0, Pool{}), m.st.PoolUsed(h1, Pool{}); a != 4*1024 || b != 4*1024 {
		t.Errorf("a move that copies disks takes %d and %d MiB at its ends", a, b)
	}
}

func TestRedefinitionsHaveTheirGenerationBefore(t *testing.T) {
	for _, action := range []Action{Redefine, Rebuild} {
		m := ready(t, fleet(1, 1))
		m.approve(nil, creates("1", web0, h0))
		m.run("1")
		m.approve(nil, acts("2", action, web0))
		m.must(start("2"))
		stamped, _ := m.st.Instances.Get(string(web0))
		m.applyTerm(Command{Start: &Start{Operation: "2", Epoch: 2}}, 2) // a new leader goes on with it
		m.applyTerm(Command{Finish: &Finish{Operation: "2", Epoch: 2}}, 2)
		if in, _ := m.st.Instances.Get(string(web0)); stamped.Generation != 2 || in.Generation != 2 {
			t.Errorf("%s: stamped %d, recorded %d afterwards, want 2", action, stamped.Generation, in.Generation)
		}
	}
}
