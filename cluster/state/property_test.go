package state

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/spec"
)

// TestRandomCommandsKeepThePromises drives Apply with commands that are often wrong and checks after
// each: use is what counting afresh gives (Host.Used, lookups), no host is overcommitted (I5), no
// group policy is broken (I5), limits hold, and each instance has at most one operation. At the end the log
// is replayed (I4) and a snapshot restored.
func TestRandomCommandsKeepThePromises(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := ready(t, randomFleet(r))
		for range rapid.IntRange(5, 150).Draw(r, "commands") {
			m.now = m.now.Add(time.Duration(rapid.IntRange(0, 3600).Draw(r, "seconds")) * time.Second)
			epoch := uint64(1 + rapid.IntRange(0, 9).Draw(r, "epoch")/9)
			before := m.st
			refused := m.applyTerm(randomCommand(r, m, epoch), epoch)
			checkPromises(r, m.st, before, refused)
		}
		replayed := replay(t, m)
		if Digest(replayed) != Digest(m.st) {
			r.Fatal("replaying the log gives another state")
		}
	})
}

func randomFleet(r *rapid.T) *spec.Spec {
	s := fleet(rapid.IntRange(2, 4).Draw(r, "hosts"), 6)
	policies := []spec.Policy{spec.AntiAffinity, spec.Affinity}
	for i := range s.Instances {
		in := &s.Instances[i]
		in.Update = &spec.Update{MaxParallel: 2}
		if i < 4 {
			in.Group = spec.Address(fmt.Sprintf("server_group.g%d", i/2))
		}
	}
	for i, p := range policies {
		s.Groups = append(s.Groups, spec.ServerGroup{Address: spec.Address(fmt.Sprintf("server_group.g%d", i)), Policy: p})
	}
	s.Scheduler.Ratios.RAM = rapid.SampledFrom([]float64{0.25, 0.5, 1}).Draw(r, "ratio")
	s.Migration.ParallelTotal = rapid.IntRange(1, 3).Draw(r, "parallel")
	return s
}

// commandMix makes the record fill up: more begins and succeeds than fails.
var commandMix = []string{
	"approve", "approve", "start", "start", "start", "start", "start", "finish", "finish", "finish",
	"step", "retarget", "revoke", "cancel", "freeze",
}

func randomCommand(r *rapid.T, m *machine, epoch uint64) Command {
	// id draws an operation that is in one of these phases, if there is one, and sometimes any.
	id := func(phases ...Phase) string {
		ids, all := []string{}, []string{"none"}
		for key, op := range m.st.Operations.All() {
			all = append(all, key)
			if slices.Contains(phases, op.Phase) {
				ids = append(ids, key)
			}
		}
		if len(ids) == 0 || rapid.IntRange(0, 9).Draw(r, "any") == 0 {
			ids = all
		}
		return rapid.SampledFrom(ids).Draw(r, "operation")
	}
	failure := rapid.SampledFrom([]string{"", "", "", "broke"}).Draw(r, "error")
	done := rapid.Bool().Draw(r, "done")
	switch rapid.SampledFrom(commandMix).Draw(r, "command") {
	case "approve":
		return Command{Approve: &Approve{Base: m.st.Revision, Operations: randomOperations(r, m), Request: "r"}}
	case "start":
		return Command{Start: &Start{Operation: id(Pending), Epoch: epoch}}
	case "finish":
		return Command{Finish: &Finish{Operation: id(RunningOp), Epoch: epoch, Error: failure}}
	case "step":
		return Command{Step: &Step{Operation: id(RunningOp), Epoch: epoch, Step: "s", Build: &Instance{Host: "host.h9", Size: Size{MemoryMiB: 1 << 40}}}}
	case "retarget":
		return Command{Retarget: &Retarget{Operation: id(RunningOp), Epoch: epoch, To: randomHost(r), Error: "broke"}}
	case "revoke":
		return Command{Revoke: &Revoke{Operation: id(RunningOp, Revoking), Epoch: epoch, Done: done}}
	case "cancel":
		return Command{Cancel: &Cancel{Operations: []string{id(Pending)}}}
	}
	return Command{Freeze: &Freeze{Instance: randomInstance(r), Thaw: rapid.Bool().Draw(r, "thaw")}}
}

func randomHost(r *rapid.T) spec.Address {
	return spec.Address(fmt.Sprintf("host.h%d", rapid.IntRange(0, 3).Draw(r, "host")))
}

func randomInstance(r *rapid.T) spec.Address {
	return spec.Address("instance.web").Index(rapid.IntRange(0, 5).Draw(r, "instance"))
}

func randomOperations(r *rapid.T, m *machine) []Operation {
	var ops []Operation
	for n := range rapid.IntRange(1, 4).Draw(r, "operations") {
		id, in := OperationID(m.st, n+1), randomInstance(r)
		// On a record with more in it than missing, creates of what exists teach nothing.
		var op Operation
		_, exists := m.st.Instances.Get(string(in))
		actions := []Action{Create, Create, Create, Migrate, Terminate}
		if exists {
			actions = []Action{Create, Migrate, Migrate, Migrate, Migrate, Terminate, Stop, Stop, Stop, Redefine, Forget}
		}
		switch rapid.SampledFrom(actions).Draw(r, "action") {
		case Create:
			op = withIP(creates(id, in, randomHost(r)), fmt.Sprintf("10.0.0.%d", rapid.IntRange(1, 8).Draw(r, "ip")))
			if rapid.Bool().Draw(r, "shared") {
				op.Build.Pool = Pool{Path: "/shared", Shared: true}
			}
		case Migrate:
			op = migrates(id, in, "", randomHost(r))
		case Terminate:
			op = acts(id, Terminate, in)
		case Forget:
			op = acts(id, Forget, in)
		case Redefine:
			op = acts(id, Redefine, in)
		default:
			op = acts(id, Stop, in)
			op.Block = "instance.web"
		}
		if n > 0 && rapid.Bool().Draw(r, "after") {
			op.After = []string{ops[n-1].ID}
		}
		ops = append(ops, op)
	}
	return ops
}

func checkPromises(r *rapid.T, st, before State, refused *Refusal) {
	if refused != nil {
		same := st
		same.Index, same.Term, same.Time = before.Index, before.Term, before.Time
		if Digest(same) != Digest(before) {
			r.Fatalf("a refused command (%s) changed the record", refused.Message)
		}
	}
	fresh := st.Reindex()
	counted := UsageOf(st)
	for address, h := range st.Hosts.All() {
		if h.Used != counted[spec.Address(address)] {
			r.Fatalf("%s: used %+v, counted %+v", address, h.Used, counted[spec.Address(address)])
		}
		if limits := Limits(st.Desired, h.Address, &h.Inventory); h.Used.MemoryMiB > limits.AllowedMemoryMiB() {
			r.Fatalf("%s: %d MiB used of %d", address, h.Used.MemoryMiB, limits.AllowedMemoryMiB())
		}
	}
	if diff := cmp.Diff(indexOf(fresh), indexOf(st)); diff != "" {
		r.Fatalf("lookups (-fresh +kept):\n%s", diff)
	}
	for key, used := range PoolUsageOf(st) {
		if limit, ok := map[string]int64{keySep + "/shared": 3 * 1024}[key]; ok && used > limit {
			r.Fatalf("%d MiB used of the shared pool's %d", used, limit)
		}
	}
	checkGroups(r, st)
	checkRunning(r, st)
}

// indexOf lists the lookup tables.
func indexOf(st State) []string {
	var all []string
	for k := range st.index.residents.All() {
		all = append(all, "resident "+k)
	}
	for k, v := range st.index.busy.All() {
		all = append(all, "busy "+k+" "+v)
	}
	for k := range st.index.waiting.All() {
		all = append(all, "waiting "+k)
	}
	for k, v := range st.index.addresses.All() {
		all = append(all, fmt.Sprint("address ", k, v))
	}
	for k, v := range st.index.space.All() {
		all = append(all, fmt.Sprint("space ", k, v))
	}
	return all
}

func checkGroups(r *rapid.T, st State) {
	type place struct{ group, host spec.Address }
	at := map[place]int{}
	hosts := map[spec.Address]map[spec.Address]bool{}
	count := func(in, host spec.Address) {
		g := st.Desired.Group(in)
		if g == nil {
			return
		}
		at[place{g.Address, host}]++
		if hosts[g.Address] == nil {
			hosts[g.Address] = map[spec.Address]bool{}
		}
		hosts[g.Address][host] = true
		if n := at[place{g.Address, host}]; g.Policy == spec.AntiAffinity && n > 1 {
			r.Fatalf("%d of %s on %s", n, g.Address, host)
		}
	}
	for _, in := range st.Instances.All() {
		count(in.Address, in.Host)
	}
	for _, op := range st.Operations.All() {
		if op.Action == Migrate && (op.Phase == RunningOp || op.Phase == Revoking) {
			count(op.Instance, op.To)
		}
	}
	for _, g := range st.Desired.Spec.Groups {
		alone := 0
		for _, member := range st.Desired.members[g.Address] {
			if _, ok := st.Instances.Get(string(member)); ok {
				alone++
			}
		}
		if g.Policy == spec.Affinity && alone > 1 && len(hosts[g.Address]) > 1 {
			r.Fatalf("%s is on %d hosts", g.Address, len(hosts[g.Address]))
		}
	}
}

func checkRunning(r *rapid.T, st State) {
	busy := map[spec.Address]string{}
	migrations, interrupted := 0, 0
	for id, op := range st.Operations.All() {
		if op.Phase != RunningOp && op.Phase != Revoking {
			continue
		}
		if other := busy[op.Subject()]; other != "" {
			r.Fatalf("%s and %s both work on %s", other, id, op.Subject())
		}
		busy[op.Subject()] = id
		if op.Action == Migrate {
			migrations++
		}
		if op.Block != "" {
			interrupted++
		}
	}
	if _, most := st.Desired.Parallel(); migrations > most {
		r.Fatalf("%d migrations, the most is %d", migrations, most)
	}
	if interrupted > 2 {
		r.Fatalf("%d interrupted at once, update allows 2", interrupted)
	}
}

// replay applies the log of m again, with a snapshot and a restore in the middle of it.
func replay(t testing.TB, m *machine) State {
	var st State
	for i, data := range m.log {
		e, err := DecodeCommand(data)
		if err != nil {
			t.Fatal(err)
		}
		e.Index, e.Term = uint64(i+1), m.terms[i]
		st, _ = Apply(st, e)
		if i == len(m.log)/2 {
			var b bytes.Buffer
			if err := Snapshot(st, &b); err != nil {
				t.Fatal(err)
			}
			if st, err = Restored(&b); err != nil {
				t.Fatal(err)
			}
		}
	}
	return st
}
