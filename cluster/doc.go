// Package cluster keeps the replicated record: it writes commands to a raft log and applies them, in
// order, with state.Apply.
//
// Embedded, a Node is the only member of its cluster and lives in a folder beside the spec:
//
//	.novaplan/
//	    version    the layout of this folder
//	    lock       flock of the process that has the record open, its pid inside
//	    sock       where that process serves others (cluster/api)
//	    raft/      log segments (wal), the mark of the last acknowledged entry, snapshots
//
// ReadOnly replays such a folder without writing to it; Memory is the same record without a folder.
//
// What was acknowledged survives kill -9 and power loss: the log is synced before Propose returns. A log
// that ends in a torn write loses that write only. One that lost more is refused, because the
// mark says what must be there; so is one that is damaged inside or was written by a newer novaplan.
// A disk that hangs ends the process, a disk that fails or is full ends the node: nothing more is
// promised, and what was promised is on disk.
package cluster
