// Package cluster keeps the replicated record: it writes commands to a raft log and applies them, in
// order, with state.Apply.
//
// Embedded, a Node is the only member of its cluster and lives in a folder beside the spec:
//
//	.novaplan/
//	    version    the layout of this folder
//	    lock       flock of the process that has the record open, its pid inside
//	    sock       where that process serves others (cluster/api)
//	    moved      where the record went on, if it did: nothing is written here any more
//	    raft/      log segments (wal), the mark of the last acknowledged entry, snapshots
//
// ReadOnly replays such a folder without writing to it; Memory is the same record without a folder.
//
// With Options.Membership a Node is one of several, and its folder has a file "member" as well: who it is and
// which cluster it belongs to.
//
// What was acknowledged survives kill -9 and power loss: the log is synced before Propose returns, on a majority
// of the members. A log that ends in a torn write loses that write only. One that lost more is refused,
// because the mark says what must be there; so is one that is damaged inside or was written by a newer
// novaplan. A disk that hangs ends the process, a disk that fails or is full ends the node: nothing more
// is promised, and what was promised is on disk.
//
// # Members
//
// Members without a record look for each other (RetryJoin). When BootstrapExpect of them see exactly each other, the
// first by id gets the others' promise to belong to its group, a random name that is written down before it is
// given, and begins. A member has one group for life: it takes raft's connections from that group only, and only
// those that are meant for it by name. So no member votes in two clusters, a wiped one votes nowhere before
// it was let in anew, and nobody answers for the member that had its address before.
//
// Whoever finds a cluster asks its leader to be let in. What the leader still knows of that name or address is
// removed first; two living members of one name, members of other clusters and members that don't
// support the record's level are refused, with words (Node.Down, Node.Err). A newcomer gets its vote once it has been
// healthy for ten seconds. A member that was silent for ten minutes is removed when at least three voters
// remain, and is let in again when it comes back; one that an operator removed is not, until its folder is moved away.
//
// Every member asks every other for its status once a second: that is what Members shows, what "no leader" errors are
// made of, and how the leader learns that all support a higher level, which it then raises.
//
// # Epochs
//
// The raft term in which a member leads is the epoch that hosts are shown. A leadership begins (Leadership, Term)
// when all entries of before are applied, and never in a term that the record has seen already: where an
// archive of another cluster was restored, the term is raised above the archive's first.
//
// # Timeouts
//
//	profile    heartbeat  election  lease   commit  call   look  silent
//	embedded   10 ms      10 ms     10 ms   10 ms
//	LAN        250 ms     250 ms    125 ms  50 ms   2 s    1 s   3 s
//	WAN        2 s        2 s       1 s     200 ms  10 s   3 s   10 s
//
// A write of the log that takes longer than five seconds (embedded: ten) ends the process: a leader whose disk hangs
// would keep its followers content, and the cluster waiting.
package cluster
