package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster/clustertest"
	"github.com/novaplan/novaplan/cluster/state"
)

// port is a Network that can die.
type port interface {
	Network
	stop()
}

type memoryPort struct{ *clustertest.Port }

func (p memoryPort) stop() { _ = p.Close() }

func (p *tcpPort) stop() { p.Close() }

// group is a cluster under test. Its members are called a, b, c, ...
type group struct {
	t       testing.TB
	plug    func(address string) port // opens a member's port; "": any address
	network *clustertest.Network      // nil on TCP
	options func(*Options)            // changes what members are opened with; may be nil
	dir     string
	expect  int
	members map[string]*seat
	order   []string
}

// seat is the place of one member; its node may be down.
type seat struct {
	id      string
	address string
	dir     string
	node    *Node
	port    port
}

func newGroup(t testing.TB, plug func(string) port) *group {
	g := &group{t: t, plug: plug, dir: t.TempDir(), members: map[string]*seat{}}
	t.Cleanup(g.close)
	return g
}

// onTCP is a group on real connections; inMemory one on a network that can be cut.
func onTCP(t testing.TB) *group {
	return newGroup(t, func(address string) port { return listenTCP(t, address) })
}

func inMemory(t testing.TB) *group {
	network, next := clustertest.New(), 0
	g := newGroup(t, func(address string) port {
		if address == "" {
			next++
			address = fmt.Sprintf("10.0.0.%d:7300", next)
		}
		return memoryPort{network.Port(address)}
	})
	g.network = network
	return g
}

func (g *group) close() {
	for _, s := range g.members {
		if s.node != nil {
			if err := s.node.Kill(); err != nil {
				g.t.Error(err)
			}
		}
		if s.port != nil {
			s.port.stop()
		}
	}
}

// begin starts members that begin a cluster together, and waits until it has a leader and a record everywhere.
func (g *group) begin(ids ...string) *Node {
	g.t.Helper()
	g.expect = len(ids)
	for _, id := range ids {
		g.seat(id)
	}
	for _, id := range ids {
		g.start(id)
	}
	leader := g.leader()
	for _, id := range ids {
		if err := g.node(id).Wait(g.t.Context(), leader.State().Index); err != nil {
			g.t.Fatal(id, err)
		}
	}
	return leader
}

// seat reserves a place: an address and a folder.
func (g *group) seat(id string) *seat {
	s := &seat{id: id, dir: filepath.Join(g.dir, id)}
	s.port = g.plug("")
	s.address = s.port.Address()
	g.members[id] = s
	g.order = append(g.order, id)
	return s
}

// quick looks around often, and has a lease that stands a busy machine: in a test nobody may lose it by accident.
func quick(t *timing) {
	t.heartbeat, t.election, t.lease = 500*time.Millisecond, 500*time.Millisecond, 450*time.Millisecond
	t.look, t.silent, t.stable, t.compact = 100*time.Millisecond, time.Second, 500*time.Millisecond, time.Second
}

// start opens a member in its place.
func (g *group) start(id string) *Node {
	g.t.Helper()
	n, err := g.open(id)
	if err != nil {
		g.t.Fatal(id, err)
	}
	return n
}

func (g *group) open(id string) (*Node, error) {
	s := g.members[id]
	if s == nil {
		s = g.seat(id)
	}
	if s.port == nil {
		s.port = g.plug(s.address)
	}
	var join []string
	for _, other := range g.order {
		join = append(join, g.members[other].address)
	}
	opts := Options{Mode: state.Sim, Membership: &Membership{
		ID: id, Network: s.port, BootstrapExpect: g.expect, RetryJoin: join, Version: "test", tune: quick,
	}}
	if g.options != nil {
		g.options(&opts)
	}
	n, err := Open(g.t.Context(), s.dir, opts)
	if err == nil {
		s.node = n
	}
	return n, err
}

func (g *group) node(id string) *Node { return g.members[id].node }

// kill ends a member as kill -9 would.
func (g *group) kill(id string) {
	g.t.Helper()
	s := g.members[id]
	if err := s.node.Kill(); err != nil {
		g.t.Error(err)
	}
	s.port.stop()
	s.node, s.port = nil, nil
}

// leave ends a member in an orderly way.
func (g *group) leave(id string) {
	g.t.Helper()
	s := g.members[id]
	if err := s.node.Close(); err != nil {
		g.t.Error(err)
	}
	s.port.stop()
	s.node, s.port = nil, nil
}

// leader waits until a member leads.
func (g *group) leader() *Node {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Minute)
	defer cancel()
	found := make(chan *Node, len(g.members))
	for _, s := range g.members {
		if s.node == nil {
			continue
		}
		go func() {
			if _, _, err := s.node.Leadership(ctx); err == nil {
				found <- s.node
			}
		}()
	}
	select {
	case n := <-found:
		return n
	case <-ctx.Done():
		for _, s := range g.members {
			if s.node != nil {
				g.t.Logf("%s: %s, %v", s.id, s.node.member.missing(), s.node.Err())
			}
		}
		g.t.Fatal("no leader")
		return nil
	}
}

// id is a node's name.
func id(n *Node) string { return n.member.ID }

// others are the ids of all members but some.
func (g *group) others(but ...string) (ids []string) {
	for _, id := range g.order {
		found := false
		for _, b := range but {
			found = found || b == id
		}
		if !found {
			ids = append(ids, id)
		}
	}
	return ids
}

// until waits for a condition that nothing announces.
func (g *group) until(what string, condition func() bool) {
	g.t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			for _, s := range g.members {
				if s.node != nil {
					g.t.Logf("%s: %s, %v, %+v", s.id, s.node.member.missing(), s.node.Err(), s.node.servers())
				}
			}
			g.t.Fatal("never: " + what)
		}
	}
}

// same waits until members have applied what a leader has, and compares them byte for byte.
func (g *group) same(ids ...string) {
	g.t.Helper()
	leader := g.leader()
	want := leader.State()
	for _, id := range ids {
		n := g.node(id)
		if err := n.Wait(g.t.Context(), want.Index); err != nil {
			g.t.Fatal(id, err)
		}
		st := n.State()
		if st.Index == want.Index && state.Digest(st) != state.Digest(want) {
			g.t.Errorf("%s has another state than the leader at entry %d", id, st.Index)
		}
	}
}
