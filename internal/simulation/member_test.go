package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/clustertest"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/reconcile/disk"
)

// member is one controller of the cluster: a node with its log on disk, and a loop that works while it leads,
// as cmd/novaplan's server does. It can be killed, started again, cut off and stopped for a while.
type member struct {
	sim     *simulation
	id      string
	address string
	dir     string
	gate    *gate // what it sends to hosts goes through here

	node *cluster.Node
	port *clustertest.Port
	stop context.CancelFunc
	done chan struct{}

	approving chan struct{} // one approval over the API at a time

	mu   sync.Mutex
	ctrl *reconcile.Controller // while it leads
	term uint64
}

// begin starts the member's process.
func (m *member) begin() {
	m.port = m.sim.network.Port(m.address)
	node, err := cluster.Open(context.Background(), m.dir, cluster.Options{
		Mode: state.Sim, Logger: slog.New(slog.DiscardHandler),
		Fatal: func(err error) { m.sim.broken("a member's disk hangs: %v", err) },
		Membership: &cluster.Membership{
			ID: m.id, Network: m.port, Profile: m.sim.profile, BootstrapExpect: len(m.sim.members),
			RetryJoin: m.sim.addresses(), Version: "simulated",
		},
	})
	if err != nil {
		m.sim.broken("member %s does not start: %v", m.id, err)
		_ = m.port.Close()
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.node, m.stop, m.done = node, cancel, make(chan struct{})
	if m.sim.serves {
		m.serve()
	}
	go func(done chan struct{}) {
		defer close(done)
		m.work(ctx, node)
	}(m.done)
}

// work makes the member act whenever it leads.
func (m *member) work(ctx context.Context, node *cluster.Node) {
	for {
		term, lost, err := node.Leadership(ctx)
		if err != nil {
			return
		}
		m.lead(ctx, node, term, lost)
	}
}

// lead carries operations out until the leadership is lost. Each round has a controller of its own.
func (m *member) lead(ctx context.Context, node *cluster.Node, term uint64, lost <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-lost:
			cancel()
		case <-ctx.Done():
		}
	}()
	for ctx.Err() == nil {
		c := reconcile.New(node, m.gate, m.sim.options(m))
		m.set(c, term)
		err := c.Run(ctx)
		m.set(nil, 0)
		_ = c.Close()
		if ctx.Err() == nil {
			m.sim.log("%s: the loop ended in term %d: %v", m.id, term, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(runPause):
		}
	}
}

// runPause is until a loop that ended though the member leads begins again.
const runPause = 250 * time.Millisecond

func (m *member) set(c *reconcile.Controller, term uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ctrl, m.term = c, term
}

// controller returns the member's controller and the term it works in; nil when it doesn't lead.
func (m *member) controller() (*reconcile.Controller, uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ctrl, m.term
}

// up reports whether the member's process lives.
func (m *member) up() bool { return m.node != nil }

// kill ends the process as kill -9 does. Calls that are under way at hosts go on there.
func (m *member) kill() {
	if m.node == nil {
		return
	}
	m.stop()
	err := m.node.Kill()
	_ = m.port.Close()
	<-m.done
	m.node = nil
	if err != nil && !errors.Is(err, cluster.ErrClosed) {
		m.sim.broken("member %s: kill: %v", m.id, err)
	}
}

// options are those of a controller on this member.
func (s *simulation) options(m *member) reconcile.Options {
	return reconcile.Options{
		Images:   reconcile.Images{Images: &disk.Images{Source: disk.Simulated{}, Cache: disk.NewCache(disk.CacheOptions{})}},
		Endpoint: m.address,
		Log:      slog.New(&sightings{sim: s, member: m.id}),
	}
}

// addresses lists where all members are.
func (s *simulation) addresses() (all []string) {
	for _, m := range s.members {
		all = append(all, m.address)
	}
	return all
}

// seat makes the members' places; none is started.
func (s *simulation) seat(n int) {
	for i := range n {
		id := string(rune('a' + i))
		s.members = append(s.members, &member{
			sim: s, id: id, address: fmt.Sprintf("10.0.0.%d:7300", i+1), dir: filepath.Join(s.dir, id),
			gate: newGate(s.world), approving: make(chan struct{}, 1),
		})
	}
}

// fastDir makes a folder in memory where the system has one: a simulated disk needn't be a slow one.
func fastDir() (string, error) {
	base := ""
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		base = "/dev/shm"
	}
	return os.MkdirTemp(base, "novaplan-simulation-")
}
