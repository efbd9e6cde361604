package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// open opens the record in dir, making one if need be, and closes it with the test.
func open(t testing.TB, dir string, opts Options) *Node {
	t.Helper()
	opts.Create = true
	n, err := Open(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func newDir(t testing.TB) string { return filepath.Join(t.TempDir(), ".novaplan") }

// inventory is a command that always takes effect: entry n of a test.
func inventory(n int) state.Command {
	host := spec.Address(fmt.Sprintf("host.h%d", n))
	return state.Command{SetInventory: &state.SetInventory{Host: host, Name: host.Label(), Inventory: state.Inventory{VCPUs: n}}}
}

func propose(t testing.TB, n *Node, c state.Command) {
	t.Helper()
	r, err := n.Propose(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r.Refused != nil {
		t.Fatal(r.Refused)
	}
}

func TestRecordSurvivesReopening(t *testing.T) {
	dir := newDir(t)
	n := open(t, dir, Options{Mode: state.Sim})
	for i := range 20 {
		propose(t, n, inventory(i))
	}
	first, before := n.Term(), n.State()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Propose(t.Context(), inventory(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("propose after close: %v", err)
	}
	read, err := ReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if state.Digest(read) != state.Digest(before) {
		t.Error("ReadOnly found another state than was proposed")
	}
	n = open(t, dir, Options{})
	if state.Digest(n.State()) != state.Digest(before) {
		t.Error("another state after reopening")
	}
	if n.Term() <= first {
		t.Errorf("term %d after reopening, %d before: epochs must grow", n.Term(), first)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := newDir(t)
	n := open(t, dir, Options{})
	var locked *LockedError
	if _, err := Open(t.Context(), dir, Options{}); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("second Open: %v", err)
	}
	if _, err := ReadOnly(t.Context(), dir); !errors.As(err, &locked) {
		t.Errorf("ReadOnly while it is open: %v", err)
	}
	propose(t, n, inventory(1))
}

func TestNoRecord(t *testing.T) {
	if _, err := Open(t.Context(), newDir(t), Options{}); !errors.Is(err, ErrNoRecord) {
		t.Errorf("Open: %v", err)
	}
	if _, err := ReadOnly(t.Context(), newDir(t)); !errors.Is(err, ErrNoRecord) {
		t.Errorf("ReadOnly: %v", err)
	}
}

func TestModeIsFixed(t *testing.T) {
	dir := newDir(t)
	if err := open(t, dir, Options{Mode: state.Sim}).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{Mode: state.Real}); !errors.Is(err, ErrMode) {
		t.Errorf("Open: %v", err)
	}
}

func TestChangesAndWait(t *testing.T) {
	n := open(t, newDir(t), Options{})
	changes := n.Changes()
	results, err := n.ProposeAll(t.Context(), inventory(1), inventory(2), inventory(3))
	if err != nil {
		t.Fatal(err)
	}
	<-changes
	if err := n.Wait(t.Context(), results[2].Index); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := n.Wait(ctx, results[2].Index+1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for the future: %v", err)
	}
}
