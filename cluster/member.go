package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// member is what a Node has beyond an embedded one.
type member struct {
	Membership
	timing
	node   *Node
	boot   string // see status
	log    *slog.Logger
	level  uint32 // for tests: what this member supports; 0: state.Level
	talker *talker
	stream *stream

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	joining sync.Mutex // one change of the configuration at a time

	committed uint64 // what tend has noted last

	mu      sync.Mutex
	id      identity
	peers   map[string]*peer // by address
	waiting string           // why this member is in no cluster yet
}

// peer is what was last heard of another member.
type peer struct {
	status status
	at     time.Time // zero: never
	err    error     // of the last question
	silent bool      // and logged as such
}

func newMember(n *Node, m Membership, id identity) (*member, error) {
	if m.ID == "" || m.Network == nil {
		return nil, errors.New("a member needs an id and a network")
	}
	t := m.Profile.timing()
	if m.tune != nil {
		m.tune(&t)
	}
	if n.opts.DiskLimit == 0 {
		n.opts.DiskLimit = t.hung
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &member{
		Membership: m, timing: t, node: n, boot: uuid.NewString(), log: n.opts.Logger, level: n.opts.level,
		ctx: ctx, cancel: cancel, id: id, peers: map[string]*peer{}, waiting: "this member has just begun",
	}, nil
}

// prepareMember does what must be done to log and snapshots before raft looks at them.
func (n *Node) prepareMember(snapshots raft.SnapshotStore, logger hclog.Logger) error {
	if err := n.recoverPeers(snapshots, logger); err != nil {
		return err
	}
	begun, err := raft.HasExistingState(n.store, n.store, snapshots)
	if err != nil {
		return err
	}
	if m := n.member; m.id.Begun && !begun {
		m.log.Warn("the log is gone, though there was one: joining as a newcomer", "folder", n.dir)
		m.id = identity{ID: m.ID}
		if err := n.dir.setIdentity(m.id); err != nil {
			return err
		}
	}
	if n.member.Restore == "" || n.member.id.Begun {
		return nil
	}
	return n.restoreFirst(snapshots)
}

// start begins to talk with the others.
func (m *member) start() {
	m.talker = newTalker(m.Network, max(10*m.look, m.rpc), m.answer)
	m.running.Go(m.tend)
	m.running.Go(m.pilot)
	m.running.Go(m.compactLog)
}

func (m *member) close() error {
	m.cancel()
	var err error
	if m.talker != nil {
		err = m.talker.Close()
	}
	m.running.Wait()
	return err
}

// who is this member, for greetings.
func (m *member) who() (id, group string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ID, m.id.Group
}

// nameOf returns which member the configuration has at an address.
func (m *member) nameOf(address string) string {
	for _, s := range m.node.servers() {
		if s.Address == address {
			return s.ID
		}
	}
	return ""
}

// belong makes this member one of a group for good, unless it is of another already.
func (m *member) belong(group string) error {
	var promised error
	err := m.note(func(id *identity) {
		if id.Group != "" && id.Group != group {
			promised = fmt.Errorf("member %q has promised to begin another cluster; if that never came to be, remove %s there", m.ID, m.node.dir)
			return
		}
		id.Group = group
	})
	return errors.Join(promised, err)
}

// note remembers something in the identity.
func (m *member) note(change func(*identity)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.id
	change(&next)
	if next == m.id {
		return nil
	}
	if err := m.node.dir.setIdentity(next); err != nil {
		return err
	}
	m.id = next
	return nil
}

func (m *member) group() string {
	_, group := m.who()
	return group
}

// servers is the newest configuration that this member knows.
func (n *Node) servers() []server {
	n.mu.Lock()
	r := n.raft
	n.mu.Unlock()
	if r == nil {
		return nil
	}
	var out []server
	for _, s := range r.GetConfiguration().Configuration().Servers {
		out = append(out, server{ID: string(s.ID), Address: string(s.Address), Voter: s.Suffrage == raft.Voter})
	}
	return out
}

// status is what this member says of itself.
func (m *member) status() status {
	n := m.node
	st := n.State()
	_, group := m.who()
	s := status{
		ID: m.ID, Address: m.Network.Address(), Boot: m.boot, Group: group, Begun: n.raft.LastIndex() > 0,
		Expect: m.BootstrapExpect, Level: n.supports(), Version: m.Version, ClusterID: st.ClusterID,
		Leads: n.raft.State() == raft.Leader, LastTerm: n.stat("last_log_term"), LastIndex: n.raft.LastIndex(),
		Applied: st.Index, Contact: -1, Servers: n.servers(),
	}
	_, s.Leader = n.Leader()
	if s.Leads {
		s.Contact = 0
	} else if last := n.raft.LastContact(); !last.IsZero() {
		s.Contact = time.Since(last)
	}
	if !s.Begun {
		s.Sees = m.sees()
	}
	return s
}

// sees lists the members without a log that were heard from lately, this one included.
func (m *member) sees() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := []string{m.ID}
	for _, p := range m.peers {
		if m.fresh(p) && !p.status.Begun && p.status.ID != m.ID {
			ids = append(ids, p.status.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// fresh tells whether a peer was heard from lately.
func (m *member) fresh(p *peer) bool {
	return p != nil && !p.at.IsZero() && time.Since(p.at) <= m.silent
}

// missing says what an election lacks.
func (m *member) missing() string {
	voters, there := 0, 0
	var silent []string
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.node.servers() {
		if !s.Voter {
			continue
		}
		voters++
		p := m.peers[s.Address]
		switch {
		case s.ID != m.ID && m.fresh(p) && p.status.Group != m.id.Group:
			silent = append(silent, fmt.Sprintf("%s (%s) lost its log and can only be let in anew by a leader", s.ID, s.Address))
		case s.ID == m.ID || m.fresh(p):
			there++
		case p == nil || p.at.IsZero():
			silent = append(silent, fmt.Sprintf("%s (%s) was never heard from", s.ID, s.Address))
		default:
			silent = append(silent, fmt.Sprintf("%s (%s) was last heard from %s ago", s.ID, s.Address, time.Since(p.at).Round(time.Second)))
		}
	}
	needed := voters/2 + 1
	switch {
	case voters == 0:
		return m.waiting
	case there >= needed:
		return fmt.Sprintf("%d of %d voters are there, an election is under way; try again in a second", there, voters)
	}
	return fmt.Sprintf("%d of %d voters are there, %d are needed: %s", there, voters, needed, strings.Join(silent, ", "))
}

// wait notes why this member is in no cluster yet.
func (m *member) wait(format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiting != why && why != "" {
		m.log.Info("waiting", "for", why)
	}
	m.waiting = why
}
