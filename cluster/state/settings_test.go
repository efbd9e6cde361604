package state

import (
	"testing"
	"time"

	"github.com/novaplan/novaplan/spec"
)

func TestSettingsReachTheRecord(t *testing.T) {
	s := fleet(2, 2)
	s.Flavors = []spec.Flavor{{Address: "flavor.same", VCPUs: 1, RAM: 1024, Disk: 1024}, {Address: "flavor.other", VCPUs: 2, RAM: 1024, Disk: 1024}}
	s.Pools = []spec.Pool{{Address: "pool.d", Path: DefaultPool, Shared: true}}
	for i := range s.Instances {
		in := &s.Instances[i]
		in.TrashRetention, in.ShutdownTimeout = 7*time.Hour, 7*time.Second
		in.Flavor = []spec.Address{"flavor.same", "flavor.other"}[i]
	}
	s.Instances[1].Lifecycle.IgnoreChanges = []string{"trash_retention"}
	m := ready(t, fleet(2, 2))
	m.approve(nil, creates("1", web0, h0), creates("2", web1, h1))
	m.run("1")
	m.approve(s)
	for address, want := range map[spec.Address]Instance{
		web0: {TrashRetention: 7 * time.Hour, Flavor: "flavor.same", Pool: Pool{Shared: true}},
		web1: {TrashRetention: time.Hour, Flavor: ""},
	} {
		in, recorded := m.st.Instances.Get(string(address))
		if !recorded { // still to be made
			op, _ := m.st.Operations.Get("2")
			in = op.Build
			want.Pool.Shared = true
		}
		if in.TrashRetention != want.TrashRetention || in.ShutdownTimeout != 7*time.Second || in.Flavor != want.Flavor || in.Pool != want.Pool {
			t.Errorf("%s: %+v", address, in)
		}
	}
	if used := m.st.PoolUsed(h1, Pool{Shared: true}); used != 1024 {
		t.Errorf("%d MiB of the pool that is shared now", used)
	}
}

func TestOperationsDontBringOldSettingsBack(t *testing.T) {
	m := ready(t, fleet(1, 1))
	m.approve(nil, creates("1", web0, h0))
	m.must(start("1"))
	old, _ := m.st.Instances.Get(string(web0))
	s := fleet(1, 1)
	s.Instances[0].TrashRetention = 5 * time.Hour
	m.approve(s)
	m.must(Command{Finish: &Finish{Operation: "1", Epoch: 1, Build: old}})
	if in, _ := m.st.Instances.Get(string(web0)); in.TrashRetention != 5*time.Hour {
		t.Errorf("kept for %s", in.TrashRetention)
	}
}

func TestADiskAsLargeAsItsImageCounts(t *testing.T) {
	m := ready(t, fleet(2, 1))
	op := creates("1", web0, h0)
	op.Size.DiskMiB = 0
	m.approve(nil, op)
	m.must(start("1"))
	found, _ := m.st.Instances.Get(string(web0))
	learnt := *found
	learnt.Size.DiskMiB = 2048
	m.must(Command{Step: &Step{Operation: "1", Epoch: 1, Step: "define", Build: &learnt}})
	if used := m.st.PoolUsed(h0, Pool{}); used != 2048 {
		t.Errorf("%d MiB are used", used)
	}
	m.must(Command{Retarget: &Retarget{Operation: "1", Epoch: 1, To: h1, Error: "broke"}})
	learnt.Size.DiskMiB = 9
	m.must(Command{Finish: &Finish{Operation: "1", Epoch: 1, Build: &learnt}})
	if a, b := m.st.PoolUsed(h0, Pool{}), m.st.PoolUsed(h1, Pool{}); a != 0 || b != 2048 {
		t.Errorf("%d and %d MiB are used", a, b)
	}
}
