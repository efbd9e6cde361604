package cluster

import (
	"context"
	"net"
	"time"
)

// Network joins members through one port: both ends of every connection are authenticated as members. A
// connection that knows whose certificate is at its other end has a method Peer() string, which names that
// member; then nobody can speak for another.
type Network interface {
	Address() string                     // of this member, as others dial it
	Listen(protocol string) net.Listener // incoming connections of members that speak protocol
	Dial(ctx context.Context, address, protocol string) (net.Conn, error)
}

// What members speak with each other.
const (
	ProtocolRaft   = "novaplan-raft/1"   // the log: elections, entries, snapshots
	ProtocolMember = "novaplan-member/1" // who is who: status, bootstrap, joining
)

// Profile names a set of timeouts for the network between the members.
type Profile string

// The profiles. All members of a cluster use the same.
const (
	LAN Profile = "lan" // round trips of a few milliseconds: a dead leader is replaced within about half a second
	WAN Profile = "wan" // round trips up to 150 ms: within about five seconds
)

// Membership makes a Node one of several.
type Membership struct {
	ID      string // of this member; its certificate is bound to it
	Network Network
	Profile Profile // "": LAN
	// BootstrapExpect is how many members without a record begin the cluster together, once they all see each
	// other; the same on all of them. 0: this member only ever joins. 1: it begins alone, unless one of
	// RetryJoin has a cluster already.
	BootstrapExpect int
	RetryJoin       []string // addresses of members to ask, again and again; this one's own may be among them
	// Restore is the path of an archive (Save) that a cluster of this member alone begins with, when it has no
	// record yet; the others join it. The leader's first term is above every epoch in the archive.
	Restore string
	Version string // of this novaplan, for MemberInfo

	tune func(*timing) // for tests
}

// timing is what a profile sets.
type timing struct {
	heartbeat, election, lease time.Duration // raft's; election and lease count from the last heartbeat
	commit                     time.Duration // how soon followers learn what is committed when nothing follows
	rpc                        time.Duration // a call without an answer is given up after it
	look                       time.Duration // between questions about the others' status
	silent                     time.Duration // a member that was not heard from for so long is unhealthy
	stable                     time.Duration // a newcomer is healthy for so long before it votes
	dead                       time.Duration // a member that was silent for so long is removed, if enough are left
	hung                       time.Duration // a write to the disk that takes longer ends the process
	compact                    time.Duration // between looks at whether a snapshot is due
}

// timings returns a profile's figures. The raft figures of LAN were measured: a new leader after 0.5 s,
// 0.7 s at most, without false alarms on a busy machine; WAN leaves room for several round trips of 150 ms.
func (p Profile) timing() timing {
	t := timing{
		heartbeat: 250 * time.Millisecond, election: 250 * time.Millisecond, lease: 125 * time.Millisecond,
		commit: 50 * time.Millisecond, rpc: 2 * time.Second, look: time.Second, silent: 3 * time.Second,
		stable: 10 * time.Second, dead: 10 * time.Minute, hung: 5 * time.Second, compact: snapshotInterval,
	}
	if p == WAN {
		t.heartbeat, t.election, t.lease = 2*time.Second, 2*time.Second, time.Second
		t.commit, t.rpc, t.look, t.silent = 200*time.Millisecond, 10*time.Second, 3*time.Second, 10*time.Second
	}
	return t
}

// MemberInfo is what a member knows of another, or of itself.
type MemberInfo struct {
	ID      string
	Address string
	Voter   bool // false: a newcomer that isn't stable yet
	Leader  bool
	Healthy bool   // it was heard from lately, hears the leader, and is not far behind
	Problem string // why it isn't healthy
	// LastContact is how long ago it was heard from; 0 is this member itself, negative: never.
	LastContact time.Duration
	Applied     uint64 // index of the last command it has applied
	Version     string
	Level       uint32 // the highest state.Level it supports; 0: not known
}
