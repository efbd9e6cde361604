package cluster

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// TestNodeAndMemoryAgree gives both the same commands from the same beginning.
func TestNodeAndMemoryAgree(t *testing.T) {
	n := open(t, newDir(t), Options{Mode: state.Sim, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	m := MemoryOf(n.State(), n.opts.Now)
	defer m.Close()
	for _, p := range []Proposer{n, m} {
		s := &spec.Spec{Fleet: "default", Hosts: []spec.Host{{Address: "host.a", Name: "a", URI: "sim://", Mode: spec.ModeActive}}}
		var ops []state.Operation
		for i := range 200 {
			a := spec.Address("instance.web").Index(i)
			s.Instances = append(s.Instances, spec.Instance{Address: a, Name: fmt.Sprint(i), State: spec.Running})
			ops = append(ops, state.Operation{ID: state.OperationID(p.State(), i+1), Action: state.Create, Instance: a, To: "host.a", Build: &state.Instance{Address: a}})
		}
		r, err := Approve(t.Context(), p, state.Approve{Stack: "default", Request: "r"}, s, ops)
		if err != nil || r.Refused != nil {
			t.Fatal(err, r.Refused)
		}
		stale, err := Approve(t.Context(), p, state.Approve{Stack: "default", Request: "r2"}, s, ops)
		if err != nil || stale.Refused == nil || stale.Refused.Code != state.Stale {
			t.Errorf("approved twice: %v, %v", err, stale.Refused)
		}
	}
	a, b := n.State(), m.State()
	if a.Operations.Len() != 200 || a.Revision != 1 {
		t.Errorf("%d operations, revision %d", a.Operations.Len(), a.Revision)
	}
	a.Index, a.Term, b.Index, b.Term = 0, 0, 0, 0 // the memory has no entries of raft's own
	a.History, b.History = state.Map[*state.Event]{}, state.Map[*state.Event]{}
	if state.Digest(a) != state.Digest(b) {
		t.Error("a node and a memory differ")
	}
}

func TestMemoryDepose(t *testing.T) {
	m := NewMemory(state.Sim)
	term, lost, err := m.Leadership(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m.Depose()
	<-lost
	if m.Term() <= term {
		t.Errorf("term %d after %d", m.Term(), term)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	<-m.Down()
	if _, err := m.Propose(t.Context(), inventory(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("propose after close: %v", err)
	}
}

func TestTooLargeCommandsAreRefusedBeforeTheLog(t *testing.T) {
	m := NewMemory(state.Sim)
	defer m.Close()
	c := inventory(1)
	c.SetInventory.Inventory.CPU = string(make([]byte, maxEntry))
	if _, err := m.Propose(t.Context(), c); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestClockStepsAreNoticed(t *testing.T) {
	for _, tc := range []struct {
		name            string
		wall, monotonic time.Duration
		want            bool
	}{
		{"an idle day", 24 * time.Hour, 24 * time.Hour, false},
		{"a small correction", 9 * time.Minute, time.Second, false},
		{"set forward", time.Hour, time.Second, true},
		{"set back", -time.Hour, time.Second, true},
		{"asleep for the night", 8 * time.Hour, time.Second, true},
	} {
		if got := diverged(tc.wall, tc.monotonic); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
