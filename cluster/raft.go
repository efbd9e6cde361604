package cluster

import (
	"reflect"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// Raft's settings. TrailingLogs is large because small values can livelock the install of a snapshot on a
// slow follower. Entries of several proposals share a disk write.
const (
	embeddedTimeout   = 10 * time.Millisecond
	trailingLogs      = 10_240
	snapshotThreshold = 8_192
	snapshotInterval  = 30 * time.Second
	keepSnapshots     = 2
	maxAppend         = 256
	embeddedMember    = raft.ServerID("embedded")
)

// config is what raft runs with.
func (n *Node) config(logger hclog.Logger) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = embeddedMember
	conf.HeartbeatTimeout, conf.ElectionTimeout = embeddedTimeout, embeddedTimeout
	conf.LeaderLeaseTimeout, conf.CommitTimeout = embeddedTimeout, embeddedTimeout
	conf.TrailingLogs, conf.SnapshotThreshold, conf.SnapshotInterval = trailingLogs, snapshotThreshold, snapshotInterval
	conf.MaxAppendEntries, conf.BatchApplyCh = maxAppend, true
	conf.NotifyCh, conf.Logger = n.notify, logger
	conf.NoLegacyTelemetry = true
	if m := n.member; m != nil {
		conf.LocalID = raft.ServerID(m.ID)
		conf.HeartbeatTimeout, conf.ElectionTimeout = m.heartbeat, m.election
		conf.LeaderLeaseTimeout, conf.CommitTimeout = m.lease, m.commit
		conf.SnapshotThreshold = 1 << 60 // compact decides
		conf.ShutdownOnRemove = false    // the member is told, and goes down with a reason
	}
	return conf
}

// transport connects raft with the other members, and with itself.
func (n *Node) transport(logger hclog.Logger) (raft.Transport, raft.Server) {
	m := n.member
	if m == nil {
		address, t := raft.NewInmemTransport("")
		t.Connect(address, t)
		return t, raft.Server{ID: embeddedMember, Address: address}
	}
	m.stream = newStream(m.Network, m.rpc, m.who, m.nameOf)
	t := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: m.stream, MaxPool: 3, MaxRPCsInFlight: 1, Timeout: m.rpc, Logger: logger,
	})
	return t, raft.Server{ID: raft.ServerID(m.ID), Address: raft.ServerAddress(m.Network.Address())}
}

// startRaft starts it on what is in the folder; restored: the newest snapshot is applied already.
func (n *Node) startRaft(snapshots raft.SnapshotStore, restored bool, logger hclog.Logger) error {
	conf := n.config(logger)
	conf.NoSnapshotRestoreOnStart = restored
	n.trans, n.self = n.transport(logger)
	begun, err := raft.HasExistingState(n.store, n.store, snapshots)
	if err == nil && !begun && n.member == nil {
		servers := raft.Configuration{Servers: []raft.Server{n.self}}
		err = raft.BootstrapCluster(conf, n.store, n.store, snapshots, n.trans, servers)
	}
	var r *raft.Raft
	if err == nil {
		r, err = raft.NewRaft(conf, &machine{record: n.record, halt: n.stop, paced: n.member != nil}, n.store, n.store, snapshots, n.trans)
	}
	if err != nil {
		if c, ok := n.trans.(raft.WithClose); ok {
			_ = c.Close()
		}
		return err
	}
	n.mu.Lock()
	n.raft = r
	failed := n.err
	n.mu.Unlock()
	n.watching.Go(n.watchLeadership)
	return failed
}

// await is f.Error for a future of raft's. Raft forgets what still waits in its channels when it ends; the
// library lets each future end with it by a channel that it doesn't always fill in itself.
func (n *Node) await(f raft.Future) error {
	if v := reflect.ValueOf(f); v.Kind() == reflect.Pointer {
		if end := v.Elem().FieldByName("ShutdownCh"); end.IsValid() && end.CanSet() && end.IsNil() {
			end.Set(reflect.ValueOf(n.ended))
		}
	}
	return f.Error()
}

func (n *Node) snapshotIndex() uint64 { return n.stat("last_snapshot_index") }

// stat is one of raft's figures.
func (n *Node) stat(name string) uint64 {
	i, _ := strconv.ParseUint(n.raft.Stats()[name], 10, 64)
	return i
}
