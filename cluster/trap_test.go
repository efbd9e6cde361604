package cluster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/novaplan/novaplan/cluster/state"
)

// disks are the faulty disks of a group, by member.
type disks struct {
	mu sync.Mutex
	by map[string]*faulty
}

// faultyDisks gives every member of g a disk that can fail.
func faultyDisks(g *group, more func(*Options)) *disks {
	d := &disks{by: map[string]*faulty{}}
	g.options = func(o *Options) {
		id := o.Membership.ID
		o.wrap = func(s storage) storage {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.by[id] = &faulty{storage: s}
			return d.by[id]
		}
		if more != nil {
			more(o)
		}
	}
	return d
}

func (d *disks) of(id string) *faulty {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.by[id]
}

// TestHangingDiskOfTheLeader is the trap that a leader keeps its lease by heartbeats while it can't write: the
// watchdog ends it, and the others elect another.
func TestHangingDiskOfTheLeader(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	hung := make(chan error, 10)
	d := faultyDisks(g, func(o *Options) {
		o.DiskLimit = 300 * time.Millisecond
		o.Fatal = func(err error) { hung <- err }
	})
	leader := g.begin("a", "b", "c")
	propose(t, leader, inventory(1))
	stuck := d.of(id(leader)).hang()
	outcome := make(chan error, 1)
	go func() {
		_, err := leader.Propose(t.Context(), inventory(2))
		outcome <- err
	}()
	if err := <-hung; !errors.Is(err, ErrDisk) {
		t.Errorf("the watchdog says %v", err)
	}
	// What the process would do now: die. Its port goes first, so that nothing more is heard of it.
	g.members[id(leader)].port.stop()
	g.until("another leads", func() bool {
		for _, o := range g.others(id(leader)) {
			if g.node(o).Term() > 0 {
				return true
			}
		}
		return false
	})
	close(stuck)
	<-outcome
	g.kill(id(leader))
	propose(t, g.leader(), inventory(3))
}

func TestMemberWithAFullDiskTakesItselfOut(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"leader", "follower"} {
		t.Run(who, func(t *testing.T) {
			g := onTCP(t)
			d := faultyDisks(g, nil)
			leader := g.begin("a", "b", "c")
			victim := leader
			if who == "follower" {
				victim = g.node(g.others(id(leader))[0])
			}
			full := error(&fs.PathError{Op: "write", Path: "x.wal", Err: syscall.ENOSPC})
			d.of(id(victim)).err.Store(&full)
			_, err := leader.Propose(t.Context(), inventory(2))
			if who == "follower" && err != nil || who == "leader" && !errors.Is(err, ErrDiskFull) {
				t.Errorf("propose: %v", err)
			}
			<-victim.Down()
			if err := victim.Err(); !errors.Is(err, ErrDiskFull) {
				t.Errorf("down because %v", err)
			}
			g.kill(id(victim))
			propose(t, g.leader(), inventory(3))
			g.start(id(victim))
			g.same("a", "b", "c")
		})
	}
}

// newerEntry is a command of a later novaplan, as it would come from a newer leader.
func newerEntry(t *testing.T) []byte {
	t.Helper()
	data, err := state.EncodeCommand(state.Entry{Command: state.Command{Purge: &state.Purge{}}})
	if err != nil {
		t.Fatal(err)
	}
	var envelope map[string]any
	if err := cbor.Unmarshal(data[5:], &envelope); err != nil {
		t.Fatal(err)
	}
	envelope["command"] = map[string]any{"teleport": map[string]any{"to": "mars"}}
	body, err := cbor.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	framed := append(bytes.Clone(data[:1]), 0, 0, 0, 0)
	binary.BigEndian.PutUint32(framed[1:], crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	return append(framed, body...)
}

func TestUnknownCommandHaltsAMember(t *testing.T) {
	t.Parallel()
	g := onTCP(t)
	leader := g.begin("a", "b", "c")
	propose(t, leader, inventory(1))
	before := leader.State()
	_ = leader.await(leader.raft.Apply(newerEntry(t), 0))
	halted := func() (n int) {
		for _, s := range g.members {
			if err := s.node.Err(); err != nil {
				n++
				if !errors.Is(err, state.ErrNewer) {
					t.Errorf("%s is down: %v", s.id, err)
				}
			}
		}
		return n
	}
	g.until("the leader and the next one halt", func() bool { return halted() >= 2 }) // then nobody can commit it any more
	for _, id := range []string{"a", "b", "c"} {
		if st := g.node(id).State(); st.Index > before.Index {
			t.Errorf("%s went on to entry %d", id, st.Index)
		}
		g.kill(id)
		if _, err := g.open(id); !errors.Is(err, state.ErrNewer) {
			t.Errorf("%s opened again: %v", id, err)
		}
	}
}

// TestRollingUpgrade replaces members of the previous level one by one.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	const old = state.Level - 1
	newer := map[string]bool{}
	g := onTCP(t)
	g.options = func(o *Options) {
		if !newer[o.Membership.ID] {
			o.level = old
		}
	}
	leader := g.begin("a", "b", "c")
	propose(t, leader, inventory(1))
	if level := leader.State().Level; level != old {
		t.Fatalf("level %d", level)
	}
	for i, id := range []string{"a", "b", "c"} {
		g.leave(id)
		newer[id] = true
		g.start(id)
		propose(t, g.leader(), inventory(2+i))
		g.same(id)
		if level := g.leader().State().Level; i < 2 && level != old {
			t.Errorf("level %d with %d new members", level, i+1)
		}
	}
	g.until("the level is raised", func() bool { return g.leader().State().Level == state.Level })
	g.same("a", "b", "c")
	n, err := g.open("d") // an old novaplan wants to join
	if err != nil {
		t.Fatal(err)
	}
	<-n.Down()
	if err := n.Err(); !errors.Is(err, ErrRefused) {
		t.Errorf("an old newcomer: %v", err)
	}
}

// TestVoteThatCantBeWrittenIsNotGiven covers a member whose disk failed but that isn't down yet.
func TestVoteThatCantBeWrittenIsNotGiven(t *testing.T) {
	f := &faulty{}
	full := error(syscall.ENOSPC)
	f.err.Store(&full)
	g := &guarded{storage: f, dir: folder(t.TempDir()), limit: time.Minute, hung: func(error) {}, fail: func(error) {}, halted: make(chan struct{})}
	if err := g.SetUint64([]byte("LastVoteTerm"), 3); !errors.Is(err, ErrDisk) {
		t.Errorf("got %v", err)
	}
	close(g.halted)
	if err := g.SetUint64([]byte(keyCurrentTerm), 3); err != nil {
		t.Errorf("raft would panic on %v", err)
	}
}

func TestSnapshotsAreDueBySizeAndTime(t *testing.T) {
	for _, tc := range []struct {
		name                 string
		entries, bytes, rows uint64
		age                  time.Duration
		want                 bool
	}{
		{"nothing new", 0, 0, 0, 24 * time.Hour, false},
		{"little, lately", 100, 1 << 20, 1000, time.Minute, false},
		{"little, long ago", 1, 100, 1000, time.Hour, true},
		{"many entries of a small record", 8_192, 1 << 20, 1000, time.Minute, true},
		{"many entries of a large record", 8_192, 1 << 20, 200_000, time.Minute, false},
		{"very many entries of a large record", 50_000, 1 << 20, 200_000, time.Minute, true},
		{"large entries", 100, 33 << 20, 1000, time.Minute, true},
		{"large entries of a large record", 100, 33 << 20, 200_000, time.Minute, false},
	} {
		if got := due(tc.entries, tc.bytes, tc.rows, tc.age); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
