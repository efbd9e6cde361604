package cluster

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/cluster/state"
)

// archiveOf saves a node's record.
func archiveOf(t testing.TB, n *Node) ([]byte, SnapshotInfo) {
	t.Helper()
	var b bytes.Buffer
	info, err := n.Save(t.Context(), &b)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), info
}

func TestArchiveSaysWhatItHolds(t *testing.T) {
	n := open(t, newDir(t), Options{Mode: state.Sim})
	for i := range 50 {
		propose(t, n, inventory(i))
	}
	data, saved := archiveOf(t, n)
	read, err := InspectSnapshot(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(saved, read); diff != "" {
		t.Error(diff)
	}
	st := n.State()
	if read.Hosts != 50 || read.Index != st.Index || read.Term != st.Term || read.ClusterID != st.ClusterID || read.Mode != state.Sim {
		t.Errorf("%+v", read)
	}
}

// TestArchiveIsOrdinary unpacks it with the tools that everybody has.
func TestArchiveIsOrdinary(t *testing.T) {
	n := open(t, newDir(t), Options{})
	data, _ := archiveOf(t, n)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "record.tar"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "tar xf record.tar && sha256sum -c SHA256SUMS")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "OK") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestDamagedArchiveIsRefused(t *testing.T) {
	t.Parallel()
	n := open(t, newDir(t), Options{Mode: state.Sim})
	propose(t, n, inventory(1))
	data, _ := archiveOf(t, n)
	for at := 0; at < len(data)-1024; at += 97 { // the end of a tar file is padding
		bad := bytes.Clone(data)
		bad[at] ^= 0x40
		if _, err := InspectSnapshot(bytes.NewReader(bad)); err == nil && !padding(data, at) {
			t.Errorf("byte %d of %d can be changed", at, len(data))
		}
	}
	for _, size := range []int{0, 100, 512, 2000, len(data) / 2} {
		if _, err := InspectSnapshot(bytes.NewReader(data[:size])); !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("cut off at %d: %v", size, err)
		}
	}
	g := onTCP(t)
	leader := g.begin("a")
	bad := bytes.Clone(data)
	bad[700] ^= 1
	if err := leader.Restore(t.Context(), bytes.NewReader(bad)); !errors.Is(err, state.ErrCorrupt) {
		t.Errorf("restore: %v", err)
	}
	propose(t, g.leader(), inventory(1))
}

// padding tells whether a byte of a tar file means nothing: what is not covered by header or content.
func padding(data []byte, at int) bool {
	block := data[at/512*512 : at/512*512+512]
	return len(bytes.TrimRight(block[at%512:], "\x00")) == 0 || bytes.Contains(block, []byte("ustar"))
}

// TestRestoreReplacesTheRecord restores what one cluster saved into another whose terms are far lower.
func TestRestoreReplacesTheRecord(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	n := open(t, dir, Options{Mode: state.Sim})
	for i := range 5 { // every opening is a term
		propose(t, n, inventory(i))
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		n = open(t, dir, Options{})
	}
	for range 20 {
		if err := n.raiseTerm(0); err != nil {
			t.Fatal(err)
		}
		awaitTerm(t, n)
	}
	propose(t, n, inventory(7))
	want := n.State()
	data, info := archiveOf(t, n)

	g := inMemory(t)
	leader := g.begin("a", "b", "c")
	propose(t, leader, inventory(100))
	before, lost, err := leader.Leadership(t.Context())
	if err != nil || before >= info.Term {
		t.Fatalf("term %d, of the archive %d: the test tests nothing (%v)", before, info.Term, err)
	}
	follower := g.node(g.others(id(leader))[0])
	if err := follower.Restore(t.Context(), bytes.NewReader(data)); !errors.Is(err, ErrNotLeader) {
		t.Errorf("restore on a follower: %v", err)
	}
	if err := leader.Restore(t.Context(), bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	<-lost
	next := g.leader()
	if next.Term() <= info.Term {
		t.Errorf("epoch %d after a restore, hosts know %d", next.Term(), info.Term)
	}
	if state.Digest(next.State()) != state.Digest(want) {
		t.Error("another state than was saved")
	}
	propose(t, next, inventory(8))
	g.same("a", "b", "c")
	down := g.others(id(next))[0]
	g.leave(down)
	g.start(down)
	g.same(down)
}

func awaitTerm(t testing.TB, n *Node) {
	t.Helper()
	for n.Term() != n.raft.CurrentTerm() || n.Term() == 0 {
		if _, _, err := n.Leadership(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRestoreMindsTheMode(t *testing.T) {
	t.Parallel()
	n := open(t, newDir(t), Options{Mode: state.Real})
	data, _ := archiveOf(t, n)
	g := onTCP(t) // of mode sim
	if err := g.begin("a").Restore(t.Context(), bytes.NewReader(data)); !errors.Is(err, ErrMode) {
		t.Errorf("got %v", err)
	}
}

// TestFolderMovesToServers is the way of a fleet that began embedded.
func TestFolderMovesToServers(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	n := open(t, dir, Options{Mode: state.Sim})
	for range 12 {
		if err := n.raiseTerm(0); err != nil {
			t.Fatal(err)
		}
		awaitTerm(t, n)
	}
	propose(t, n, inventory(1))
	want := n.State()
	path := filepath.Join(t.TempDir(), "fleet.tar")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := n.Move(t.Context(), "https://np1:7300", file)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	var moved *MovedError
	if _, err := n.Propose(t.Context(), inventory(2)); !errors.As(err, &moved) {
		t.Errorf("propose after the move: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{Create: true}); !errors.As(err, &moved) || moved.Endpoint != "https://np1:7300" ||
		!strings.Contains(err.Error(), "https://np1:7300") {
		t.Errorf("open after the move: %v", err)
	}
	if st, err := ReadOnly(t.Context(), dir); err != nil || state.Digest(st) != state.Digest(want) {
		t.Errorf("read after the move: %v", err)
	}

	g := onTCP(t)
	g.options = func(o *Options) {
		if o.Membership.ID == "a" {
			o.Membership.Restore = path
		}
	}
	g.expect = 3
	for _, id := range []string{"a", "b", "c"} {
		g.seat(id)
	}
	for _, id := range []string{"c", "b", "a"} {
		g.start(id)
	}
	leader := g.leader()
	if id(leader) != "a" || leader.Term() <= info.Term || leader.Term() <= want.Term {
		t.Errorf("%s leads with epoch %d, hosts know %d", id(leader), leader.Term(), info.Term)
	}
	if got := leader.State(); got.ClusterID != want.ClusterID {
		t.Errorf("cluster %s, was %s", got.ClusterID, want.ClusterID)
	}
	g.until("all vote", func() bool { return voter(leader, "b") && voter(leader, "c") })
	propose(t, leader, inventory(3))
	g.same("a", "b", "c")
	g.kill("a")
	if next := g.leader(); next.Term() <= info.Term {
		t.Errorf("epoch %d", next.Term())
	}
	g.start("a") // the archive is still in its settings
	g.same("a", "b", "c")
}

func TestMoveToMarksAClosedFolder(t *testing.T) {
	dir, _ := written(t, 1)
	n := open(t, dir, Options{})
	var locked *LockedError
	if err := MoveTo(dir, "https://np1:7300"); !errors.As(err, &locked) {
		t.Errorf("while it is open: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := MoveTo(dir, "https://np1:7300"); err != nil {
		t.Fatal(err)
	}
	var moved *MovedError
	if _, err := Open(t.Context(), dir, Options{}); !errors.As(err, &moved) {
		t.Errorf("open: %v", err)
	}
	if to, ok := Moved(dir); !ok || to != "https://np1:7300" {
		t.Error(to, ok)
	}
	if err := MoveTo(newDir(t), "x"); !errors.Is(err, ErrNoRecord) {
		t.Errorf("nothing to move: %v", err)
	}
}

// saveTo saves a node's record to a file and closes the node.
func saveTo(t testing.TB, n *Node, path string) {
	t.Helper()
	data, _ := archiveOf(t, n)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}
