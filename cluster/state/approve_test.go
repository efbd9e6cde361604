package state

import (
	"fmt"
	"testing"
	"time"

	"github.com/novaplan/novaplan/spec"
)

func TestStalePlansAreRefused(t *testing.T) {
	m := ready(t, fleet(1, 1))
	stale := m.approval(nil, creates(OperationID(m.st, 1), web0, h0))
	m.approve(fleet(1, 2))
	m.refused(Stale, stale)

	first := m.approval(nil, creates(OperationID(m.st, 1), web0, h0))
	second := m.approval(nil, creates(OperationID(m.st, 1), web1, h0))
	m.must(first)
	m.refused(Stale, second)
}

func TestApproveRefusesWhatIsMalformed(t *testing.T) {
	m := ready(t, fleet(1, 2))
	orphan := acts("1", Stop, web0)
	orphan.After = []string{"no such"}
	m.refused(Invalid, m.approval(nil, orphan))
	m.refused(Invalid, m.approval(nil, Operation{ID: "1", Action: Create, Instance: web0, To: h0}))
	m.refused(Invalid, m.approval(nil, migrates("1", web0, h0, h0)))
	begun := creates("1", web0, h0)
	begun.Phase = RunningOp
	m.refused(Invalid, m.approval(nil, begun))
	lost := m.approval(fleet(1, 1))
	lost.Approve.Manifest.Chunks = []string{"no such"}
	m.refused(Unknown, lost)
	m.refused(Invalid, Command{PutChunk: &PutChunk{Digest: "no such", Data: []byte("x")}})
	if m.st.Operations.Len() != 0 || m.st.Revision != 1 {
		t.Error("a refused approval changed something")
	}
}

func withIP(op Operation, ip string) Operation {
	op.Build.NICs = []NIC{{Name: "nic0", Network: "network.n", IP: ip}}
	return op
}

func TestAddressesAreReserved(t *testing.T) {
	m := ready(t, fleet(1, 3))
	m.approve(nil, withIP(creates("1", web0, h0), "10.0.0.1"))
	m.refused(Invalid, m.approval(nil, withIP(creates("2", web1, h0), "10.0.0.1")))
	m.approve(nil, withIP(creates("2", web1, h0), "10.0.0.2"))
	if got := m.st.AddressesOf("network.n"); fmt.Sprint(got) != "[10.0.0.1 10.0.0.2]" {
		t.Errorf("reserved: %v", got)
	}
	m.run("1")
	m.must(Command{Cancel: &Cancel{Operations: []string{"2"}}})
	if got := m.st.AddressesOf("network.n"); fmt.Sprint(got) != "[10.0.0.1]" {
		t.Errorf("after a cancel: %v", got)
	}
	handover := withIP(creates("4", web2, h0), "10.0.0.1")
	m.approve(nil, acts("3", Terminate, web0), handover)
	m.refused(NotReady, start("4"))
	m.run("3")
	m.run("4")
}

func TestCancelInApprove(t *testing.T) {
	m := ready(t, fleet(1, 2))
	m.approve(nil, creates("1", web0, h0), creates("2", web1, h0))
	m.must(start("2"))
	c := m.approval(nil, creates("3", web0, h0))
	c.Approve.Cancel = []string{"1"}
	m.must(c)
	m.phase("1", Cancelled)
	c = m.approval(nil)
	c.Approve.Cancel = []string{"2"}
	m.refused(Stale, c)
	m.must(Command{Cancel: &Cancel{Reason: "interrupted"}})
	m.phase("3", Cancelled)
	m.phase("2", RunningOp)
}

func TestMovedBlocks(t *testing.T) {
	for _, tc := range []struct {
		name     string
		from, to spec.Address
		was, is  spec.Address
	}{
		{"one", "instance.web[0]", "instance.db", web0, "instance.db"},
		{"a block", "instance.web", "instance.www", web0, "instance.www[0]"},
		{"count added", "instance.db", "instance.db[0]", "instance.db", "instance.db[0]"},
		{"another block of the same beginning", "instance.we", "instance.x", web0, web0},
	} {
		s := fleet(1, 1)
		m := ready(t, s)
		m.approve(nil, withIP(creates("1", tc.was, h0), "10.0.0.1"))
		m.run("1")
		m.approve(nil, acts("2", Stop, tc.was))
		before, _ := m.st.Instances.Get(string(tc.was))
		s = fleet(1, 0)
		s.Moved = []spec.Moved{{From: tc.from, To: tc.to}}
		m.approve(s)
		in, ok := m.st.Instances.Get(string(tc.is))
		if !ok || in.UUID != before.UUID || in.Address != tc.is || m.op("2").Instance != tc.is {
			t.Errorf("%s: %v, operation on %s", tc.name, in, m.op("2").Instance)
		}
		m.run("2")
		m.approve(s) // a second time changes nothing
		if _, ok := m.st.Instances.Get(string(tc.is)); !ok || m.st.Instances.Len() != 1 {
			t.Errorf("%s: moved twice", tc.name)
		}
	}
}

func TestMovedHost(t *testing.T) {
	m := ready(t, fleet(1, 1))
	m.approve(nil, creates("1", web0, h0))
	m.run("1")
	s := fleet(1, 1)
	s.Hosts[0].Address = "host.new"
	s.Moved = []spec.Moved{{From: h0, To: "host.new"}}
	m.approve(s)
	in, _ := m.st.Instances.Get(string(web0))
	if in.Host != "host.new" || hostOf(m.st, "host.new").Used.Instances != 1 || m.st.Hosts.Len() != 1 {
		t.Errorf("after the move: %+v, %d hosts", in, m.st.Hosts.Len())
	}
}

func TestRevisionsAndChunksAreCollected(t *testing.T) {
	m := newMachine(t)
	for i := range MaxRevisions + 20 {
		s := fleet(1, 1)
		s.Instances[0].Name = fmt.Sprintf("name-%d", i)
		m.approve(s)
	}
	if n := m.st.Revisions.Len(); n != MaxRevisions {
		t.Errorf("%d revisions kept, want %d", n, MaxRevisions)
	}
	used := map[string]bool{}
	for _, rev := range m.st.Revisions.All() {
		for _, c := range rev.Chunks {
			used[c] = true
		}
	}
	if m.st.Chunks.Len() != len(used) {
		t.Errorf("%d chunks kept, %d used", m.st.Chunks.Len(), len(used))
	}
	rev, _ := m.st.RevisionByNumber(m.st.Revision - 50)
	if s, err := m.st.SpecOf(rev); err != nil || s.Instances[0].Name != "name-69" {
		t.Errorf("an old revision: %v, %v", s, err)
	}
}

func TestFinishedOperationsAreForgotten(t *testing.T) {
	m := ready(t, fleet(1, 2))
	m.approve(nil, creates("1", web0, h0))
	m.run("1")
	m.now = m.now.Add(23 * time.Hour)
	m.approve(nil)
	m.phase("1", Done)
	m.now = m.now.Add(2 * time.Hour)
	m.approve(nil)
	if _, ok := m.st.Operations.Get("1"); ok {
		t.Error("an operation is kept for ever")
	}
}

func TestProposeIsWhatApproveDoes(t *testing.T) {
	m := ready(t, fleet(2, 2))
	m.approve(nil, creates("1", web0, h0))
	m.run("1")
	s := fleet(2, 1)
	s.Moved = []spec.Moved{{From: web0, To: "instance.db"}}
	proposed := m.st.Propose(s)
	if _, ok := proposed.Instances.Get("instance.db"); !ok || proposed.Revision != m.st.Revision {
		t.Error("Propose did not move, or made a revision")
	}
	if _, ok := m.st.Instances.Get(string(web0)); !ok {
		t.Error("Propose changed its receiver")
	}
}
