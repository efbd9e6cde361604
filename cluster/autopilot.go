package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	autopilot "github.com/hashicorp/raft-autopilot"
)

// minQuorum is how many voters are left at least when dead ones are removed by themselves.
const minQuorum = 3

// pilot runs the autopilot while this member leads: it gives newcomers a vote once they are stable, and
// removes who has been dead for long when enough others are left.
func (m *member) pilot() {
	for {
		_, lost, err := m.node.Leadership(m.ctx)
		if err != nil {
			return
		}
		logger := hclog.New(&hclog.LoggerOptions{Name: "raft", Level: hclog.Info, Output: slogWriter{m.log}, DisableTime: true})
		a := autopilot.New(m.node.raft, &delegate{member: m, since: time.Now()}, autopilot.WithLogger(logger),
			autopilot.WithUpdateInterval(2*m.look), autopilot.WithReconcileInterval(m.stable))
		a.Start(m.ctx)
		select {
		case <-lost:
		case <-m.ctx.Done():
		case <-m.node.down:
		}
		<-a.Stop()
	}
}

// delegate tells the autopilot what it wants to know.
type delegate struct {
	*member
	since time.Time // when this member began to lead: before, nobody is called dead
}

// AutopilotConfig is the same on every member.
func (d *delegate) AutopilotConfig() *autopilot.Config {
	return &autopilot.Config{
		CleanupDeadServers: true, MinQuorum: minQuorum, LastContactThreshold: d.silent,
		MaxTrailingLogs: trailingLogs, ServerStabilizationTime: d.stable,
	}
}

// KnownServers are all of the configuration: who doesn't answer is still a member.
func (d *delegate) KnownServers() map[raft.ServerID]*autopilot.Server {
	known := map[raft.ServerID]*autopilot.Server{}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.node.servers() {
		a := &autopilot.Server{
			ID: raft.ServerID(s.ID), Name: s.ID, Address: raft.ServerAddress(s.Address), NodeType: autopilot.NodeVoter,
			NodeStatus: autopilot.NodeAlive, RaftVersion: int(raft.ProtocolVersionMax), IsLeader: s.ID == d.ID,
		}
		last := d.since
		if p := d.peers[s.Address]; p != nil {
			a.Version = p.status.Version
			if p.at.After(last) {
				last = p.at
			}
		}
		if s.ID != d.ID && time.Since(last) > d.dead {
			a.NodeStatus = autopilot.NodeFailed
		}
		known[a.ID] = a
	}
	return known
}

// FetchServerStats asks everybody now. Who doesn't answer was last in contact long ago.
func (d *delegate) FetchServerStats(ctx context.Context, servers map[raft.ServerID]*autopilot.Server) map[raft.ServerID]*autopilot.ServerStats {
	var mu sync.Mutex
	var asking sync.WaitGroup
	stats := map[raft.ServerID]*autopilot.ServerStats{}
	for id, s := range servers {
		asking.Go(func() {
			got := d.status()
			var err error
			if id != raft.ServerID(d.ID) {
				var a answer
				a, err = d.ask(ctx, string(s.Address), question{Kind: askStatus})
				got = a.Status
			}
			one := &autopilot.ServerStats{LastContact: got.Contact, LastTerm: got.LastTerm, LastIndex: got.LastIndex}
			if err != nil || got.ID != string(id) || got.Contact < 0 {
				one = &autopilot.ServerStats{LastContact: 2 * d.silent}
			}
			mu.Lock()
			defer mu.Unlock()
			stats[id] = one
		})
	}
	asking.Wait()
	return stats
}

// NotifyState has nobody to tell: Members looks for itself.
func (d *delegate) NotifyState(*autopilot.State) {}

// RemoveFailedServer removes a dead member. It comes back by itself, should it live again.
func (d *delegate) RemoveFailedServer(s *autopilot.Server) {
	d.log.Warn("removing a member that has been silent", "member", s.ID, "address", s.Address, "for", d.dead)
	d.running.Go(func() {
		ctx, cancel := context.WithTimeout(d.ctx, d.rpc)
		defer cancel()
		if err := d.node.changed(ctx, d.node.raft.RemoveServer(s.ID, 0, d.rpc)); err != nil {
			d.log.Warn("remove a dead member", "member", s.ID, "error", err)
		}
	})
}
