package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/cluster/state"
)

// writePeers is what an operator writes when a majority is lost.
func (g *group) writePeers(id, content string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.members[id].dir, "raft", "peers.json"), []byte(content), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func TestRecoverByPeersFile(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	leader := g.begin("a", "b", "c")
	for i := range 10 {
		propose(t, leader, inventory(i))
	}
	g.same("a", "b", "c")
	want := leader.State()
	for _, id := range []string{"a", "b", "c"} {
		g.kill(id)
	}
	g.writePeers("a", fmt.Sprintf(`[{"id": "a", "address": %q}]`, g.members["a"].address))
	g.start("a")
	alone := g.leader()
	if got := alone.State(); state.Digest(got) != state.Digest(want) {
		t.Errorf("entry %d after recovery, %d before", got.Index, want.Index)
	}
	propose(t, alone, inventory(20))
	if _, err := os.Stat(filepath.Join(g.members["a"].dir, "raft", "peers.recovered.json")); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"b", "c"} { // they come back empty
		if err := os.RemoveAll(g.members[id].dir); err != nil {
			t.Fatal(err)
		}
		g.start(id)
	}
	g.until("all vote again", func() bool { return voter(alone, "b") && voter(alone, "c") })
	g.same("a", "b", "c")
	g.leave("a")
	g.start("a")
	g.same("a", "b", "c")
}

func TestBadPeersFile(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	g.begin("a")
	g.kill("a")
	g.writePeers("a", `["127.0.0.1:1"]`)
	if _, err := g.open("a"); err == nil || !strings.Contains(err.Error(), "peers.json") {
		t.Errorf("got %v", err)
	}
	g.writePeers("a", `[]`)
	if _, err := g.open("a"); err == nil || !strings.Contains(err.Error(), "peers.json") {
		t.Errorf("got %v", err)
	}
}

func TestNoRecoveryUnderARunningMember(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	n := g.begin("a")
	g.writePeers("a", fmt.Sprintf(`[{"id": "a", "address": %q}]`, g.members["a"].address))
	var locked *LockedError
	if _, err := Open(t.Context(), g.members["a"].dir, n.opts); !errors.As(err, &locked) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(g.members["a"].dir, "raft", "peers.json")); err != nil {
		t.Error("the file was used")
	}
}
