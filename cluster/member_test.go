package cluster

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
)

func TestThreeMembersBeginAndReplicate(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	leader := g.begin("a", "b", "c")
	for i := range 20 {
		propose(t, leader, inventory(i))
	}
	g.same("a", "b", "c")
	members, err := leader.Members(t.Context())
	if err != nil || len(members) != 3 {
		t.Fatal(members, err)
	}
	for _, m := range members {
		if !m.Voter || m.Leader != (m.ID == id(leader)) {
			t.Errorf("%+v", m)
		}
	}
	for _, other := range g.others(id(leader)) {
		who, _ := g.node(other).Leader()
		if _, err := g.node(other).Propose(t.Context(), inventory(1)); !errors.Is(err, ErrNotLeader) || errors.Is(err, ErrNoLeader) ||
			!strings.Contains(err.Error(), id(leader)) {
			t.Errorf("%s follows %s, propose: %v", other, who, err)
		}
		if err := g.node(other).Verify(t.Context()); !errors.Is(err, ErrNotLeader) {
			t.Errorf("verify on %s: %v", other, err)
		}
	}
	if err := leader.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLeaderDiesAndComesBack(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	first := g.begin("a", "b", "c")
	propose(t, first, inventory(1))
	term, dead := first.Term(), id(first)
	g.kill(dead)
	second := g.leader()
	if second.Term() <= term {
		t.Errorf("term %d after %d", second.Term(), term)
	}
	propose(t, second, inventory(2))
	g.start(dead)
	g.same("a", "b", "c")
	if st := g.node(dead).State(); st.Hosts.Len() != 2 {
		t.Errorf("%d hosts", st.Hosts.Len())
	}
}

func TestGracefulStopHandsOver(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	first := g.begin("a", "b", "c")
	propose(t, first, inventory(1))
	term, gone := first.Term(), id(first)
	g.leave(gone)
	second := g.leader()
	if second.Term() != term+1 {
		t.Errorf("term %d after %d: that was an election, not a transfer", second.Term(), term)
	}
	propose(t, second, inventory(2))
}

func TestTransferLeadership(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	first := g.begin("a", "b", "c")
	to := g.others(id(first))[0]
	if err := first.TransferLeadership(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.node(to).Leadership(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.node(to).TransferLeadership(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "a") {
		t.Errorf("transfer to nobody: %v", err)
	}
}

func TestLostMajorityRefusesAtOnceAndStillAnswers(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	leader := g.begin("a", "b", "c")
	propose(t, leader, inventory(1))
	g.same("a", "b", "c")
	left := g.node(g.others(id(leader))[0])
	for _, gone := range g.others(id(left)) {
		g.kill(gone)
	}
	g.until("the leader is known to be gone", func() bool { who, _ := left.Leader(); return who == "" })
	g.until("the others are known to be gone", func() bool {
		_, err := left.Propose(t.Context(), inventory(2))
		return errors.Is(err, ErrNoLeader) && strings.Contains(err.Error(), "1 of 3 voters")
	})
	_, err := left.Propose(t.Context(), inventory(2))
	if !errors.Is(err, ErrNotLeader) || !strings.Contains(err.Error(), "2 are needed") || !strings.Contains(err.Error(), "last heard from") {
		t.Errorf("propose: %v", err)
	}
	if _, ok := left.State().Hosts.Get("host.h1"); !ok {
		t.Error("a stale read lacks what was acknowledged")
	}
}

func TestLeaderThatLosesItsMajorityFailsProposals(t *testing.T) {
	t.Parallel()
	g := inMemory(t)
	leader := g.begin("a", "b", "c")
	propose(t, leader, inventory(1))
	g.network.Isolate(g.members[id(leader)].address)
	_, err := leader.Propose(t.Context(), inventory(2)) // under way when its lease ends
	if !errors.Is(err, ErrNotLeader) {
		t.Errorf("propose without a majority: %v", err)
	}
	if err := leader.Verify(t.Context()); !errors.Is(err, ErrNotLeader) {
		t.Errorf("verify without a majority: %v", err)
	}
	g.until("the rest elects a leader", func() bool {
		for _, o := range g.others(id(leader)) {
			if g.node(o).Term() > 0 {
				propose(t, g.node(o), inventory(3))
				return true
			}
		}
		return false
	})
	g.network.Heal()
	g.same("a", "b", "c")
	if _, ok := leader.State().Hosts.Get("host.h3"); !ok {
		t.Error("the deposed leader lacks what was acknowledged without it")
	}
}

func TestWipedMemberRejoins(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	leader := g.begin("a", "b", "c")
	propose(t, leader, inventory(1))
	wiped := g.others(id(leader))[0]
	g.kill(wiped)
	if err := os.RemoveAll(g.members[wiped].dir); err != nil {
		t.Fatal(err)
	}
	g.start(wiped)
	g.until("the wiped member votes again", func() bool { return voter(g.leader(), wiped) })
	g.same("a", "b", "c")
}

// voter tells whether a member votes, as a node knows it.
func voter(n *Node, id string) bool {
	for _, s := range n.servers() {
		if s.ID == id {
			return s.Voter
		}
	}
	return false
}

func TestNewNameAtAnOldAddress(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	leader := g.begin("a", "b", "c")
	propose(t, leader, inventory(1))
	old := g.members[g.others(id(leader))[0]]
	g.kill(old.id)
	fresh := &seat{id: "z", address: old.address, dir: old.dir + "-z"}
	g.members["z"], g.order = fresh, append(g.order, "z")
	g.start("z")
	g.until("the new member votes", func() bool { return voter(g.leader(), "z") })
	if _, in := (&status{Servers: g.leader().servers()}).serverOf(old.id); in {
		t.Errorf("%s is still a member", old.id)
	}
	g.same("z")
}

func TestFourthMemberIsPromoted(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	leader := g.begin("a", "b", "c")
	propose(t, leader, inventory(1))
	g.start("d")
	g.until("the newcomer is in", func() bool { _, in := (&status{Servers: leader.servers()}).serverOf("d"); return in })
	g.until("the newcomer votes", func() bool { return voter(g.leader(), "d") })
	g.same("a", "b", "c", "d")
}

func TestTwoMembersOfOneName(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	leader := g.begin("a", "b", "c")
	name := g.others(id(leader))[0]
	first := g.members[name]
	g.members["twin"] = &seat{id: name, dir: g.dir + "/twin", port: g.plug("")}
	twin := g.members["twin"]
	twin.address = twin.port.Address()
	n, err := Open(t.Context(), twin.dir, Options{Membership: &Membership{
		ID: name, Network: twin.port, RetryJoin: []string{leader.member.Network.Address()}, tune: quick}})
	if err != nil {
		t.Fatal(err)
	}
	twin.node = n
	<-n.Down()
	if err := n.Err(); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "is called") || !strings.Contains(err.Error(), first.address) {
		t.Errorf("the second %s: %v", name, err)
	}
	propose(t, g.leader(), inventory(1))
	g.same("a", "b", "c")
}

func TestMemberOfAnotherClusterIsRefused(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	leader := g.begin("a", "b", "c")
	other := onTCP(t)
	other.begin("x", "y", "z")
	for _, id := range []string{"x", "y", "z"} {
		other.leave(id)
	}
	stray := other.members["x"]
	other.order, other.members["y"].address = []string{"y"}, leader.member.Network.Address()
	n := other.start("x")
	<-n.Down()
	if err := n.Err(); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "another cluster") {
		t.Errorf("x: %v", err)
	}
	_ = stray
}

func TestRemovedMemberGoesDown(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	leader := g.begin("a", "b", "c")
	gone := g.others(id(leader))[0]
	if err := leader.RemoveMember(t.Context(), "nobody"); err == nil {
		t.Error("nobody was removed")
	}
	if err := leader.RemoveMember(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	<-g.node(gone).Down()
	if err := g.node(gone).Err(); !errors.Is(err, ErrRemoved) {
		t.Errorf("%s: %v", gone, err)
	}
	g.kill(gone)
	if _, err := g.open(gone); !errors.Is(err, ErrRemoved) {
		t.Errorf("opened again: %v", err)
	}
	propose(t, g.leader(), inventory(1))
}

func TestLeaderRemovesItselfByHandingOver(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	leader := g.begin("a", "b", "c")
	if err := leader.RemoveMember(t.Context(), id(leader)); !errors.Is(err, ErrNotLeader) {
		t.Fatalf("got %v", err)
	}
	g.until("another leads", func() bool {
		n := g.leader()
		return n != leader && n.RemoveMember(t.Context(), id(leader)) == nil
	})
	<-leader.Down()
}

func TestFolders(t *testing.T) {
	t.Parallel()
	dir, _ := written(t, 1)
	g := onTCP(t)
	g.expect = 1
	g.members["a"] = &seat{id: "a", dir: dir}
	if _, err := g.open("a"); !errors.Is(err, ErrMember) || !strings.Contains(err.Error(), "embedded") {
		t.Errorf("a member in an embedded folder: %v", err)
	}
	g.begin("b")
	g.kill("b")
	if _, err := Open(t.Context(), g.members["b"].dir, Options{}); !errors.Is(err, ErrMember) {
		t.Errorf("embedded in a member's folder: %v", err)
	}
	g.members["c"] = &seat{id: "c", dir: g.members["b"].dir}
	if _, err := g.open("c"); !errors.Is(err, ErrMember) || !strings.Contains(err.Error(), `"b"`) {
		t.Errorf("another member in a member's folder: %v", err)
	}
	if st, err := ReadOnly(t.Context(), g.members["b"].dir); err != nil || st.Level != state.Level {
		t.Errorf("read a member's folder: %v", err)
	}
}

func TestProfilesAreSane(t *testing.T) {
	for _, p := range []Profile{LAN, WAN, ""} {
		tm := p.timing()
		if tm.lease > tm.heartbeat || tm.election < tm.heartbeat || tm.silent <= 2*tm.look || tm.dead < time.Minute {
			t.Errorf("%q: %+v", p, tm)
		}
	}
}

// TestMemberAloneStillAnswersAfterARestart is about stale reads: a member that comes back alone knows what was
// committed, though no leader can tell it.
func TestMemberAloneStillAnswersAfterARestart(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	leader := g.begin("a", "b", "c")
	for i := range 5 {
		propose(t, leader, inventory(i))
	}
	g.same("a", "b", "c")
	want := leader.State()
	left := g.node(g.others(id(leader))[0])
	g.until("it has noted what is committed", func() bool {
		left.store.mark.mu.Lock()
		defer left.store.mark.mu.Unlock()
		return left.store.mark.committed >= want.Index
	})
	for _, id := range []string{"a", "b", "c"} {
		g.kill(id)
	}
	alone := g.start(left.member.ID)
	if got := alone.State(); state.Digest(got) != state.Digest(want) {
		t.Errorf("entry %d is what is known, %d was committed", got.Index, want.Index)
	}
	if _, err := alone.Propose(t.Context(), inventory(9)); !errors.Is(err, ErrNoLeader) {
		t.Errorf("propose: %v", err)
	}
	for _, id := range g.others(left.member.ID) {
		g.start(id)
	}
	propose(t, g.leader(), inventory(6))
	g.same("a", "b", "c")
}

func TestDeadMemberIsRemovedAndComesBack(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	g.options = func(o *Options) {
		o.Membership.tune = func(t *timing) {
			quick(t)
			t.dead = 2 * time.Second
		}
	}
	leader := g.begin("a", "b", "c", "d")
	propose(t, leader, inventory(1))
	dead := g.others(id(leader))[0]
	g.kill(dead)
	g.until("the dead member is removed", func() bool {
		_, in := (&status{Servers: g.leader().servers()}).serverOf(dead)
		return !in
	})
	propose(t, g.leader(), inventory(2))
	g.start(dead)
	g.until("it votes again", func() bool { return voter(g.leader(), dead) })
	g.same(g.order...)
}

func TestMemberMovesToAnotherAddress(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	leader := g.begin("a", "b", "c")
	mover := g.members[g.others(id(leader))[0]]
	g.kill(mover.id)
	mover.port = g.plug("")
	mover.address = mover.port.Address()
	g.start(mover.id)
	g.until("the new address is known, with its vote", func() bool {
		s, _ := (&status{Servers: g.leader().servers()}).serverOf(mover.id)
		return s.Address == mover.address && s.Voter
	})
	propose(t, g.leader(), inventory(1))
	g.same("a", "b", "c")
}

func TestMajorityThatLostItsLogsIsNamed(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	g.begin("a", "b", "c")
	for _, id := range []string{"b", "c"} {
		g.kill(id)
		if err := os.RemoveAll(g.members[id].dir); err != nil {
			t.Fatal(err)
		}
	}
	g.start("b")
	g.start("c")
	g.until("the words are right", func() bool {
		_, err := g.node("a").Propose(t.Context(), inventory(1))
		return errors.Is(err, ErrNoLeader) && strings.Count(err.Error(), "lost its log") == 2 && strings.Contains(err.Error(), "1 of 3")
	})
	for _, id := range []string{"b", "c"} { // two empty ones must never begin a cluster beside the old one
		g.until("it waits", func() bool { return strings.Contains(g.node(id).member.missing(), "has a cluster") })
		if n := len(g.node(id).servers()); n != 0 {
			t.Errorf("%s is in a cluster of %d", id, n)
		}
	}
}
