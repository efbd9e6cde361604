package cluster

import (
	"errors"
	"time"

	"github.com/hashicorp/raft"
)

// When a member writes a snapshot and drops the log before it. The log may grow to the size of the record
// before that is worth its while: writing 100,000 instances after every 8,192 entries would do little else.
// Replaying an entry takes some 20 microseconds, so that a restart stays a matter of seconds.
const (
	minLogBytes  = 32 << 20  // below this the log is never too large
	entriesPer   = 4         // one entry for so many rows of the record, but
	compactAfter = time.Hour // what is older than this is in a snapshot
)

// compactLog writes snapshots when they are due.
func (m *member) compactLog() {
	last := time.Now()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-m.node.down:
			return
		case <-time.After(m.compact):
		}
		if !m.node.snapshotDue(time.Since(last)) {
			continue
		}
		written := m.node.store.written.Load()
		err := m.node.await(m.node.raft.Snapshot())
		if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
			m.log.Warn("write a snapshot", "error", err)
			continue
		}
		m.node.store.written.Add(-written)
		last = time.Now()
	}
}

// snapshotDue decides by the number of entries since the last snapshot, their size and its age.
func (n *Node) snapshotDue(age time.Duration) bool {
	entries := n.raft.AppliedIndex() - min(n.snapshotIndex(), n.raft.AppliedIndex())
	st := n.State()
	rows := st.Instances.Len() + st.Operations.Len() + st.Hosts.Len() + st.Chunks.Len() + st.Trash.Len()
	return due(entries, n.store.written.Load(), uint64(rows), age)
}

func due(entries, bytes, rows uint64, age time.Duration) bool {
	const rowBytes = 256 // of an instance in a snapshot, about
	switch {
	case entries == 0:
		return false
	case entries >= max(snapshotThreshold, rows/entriesPer):
		return true
	case bytes >= max(minLogBytes, rows*rowBytes):
		return true
	}
	return age >= compactAfter
}
