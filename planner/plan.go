package planner

import (
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// Plan is what would be done, and why. Equal inputs give equal plans, byte for byte.
type Plan struct {
	Base    uint64 // the desired revision it starts from
	Changes []Change
	// Unplaced are instances that fit nowhere, or that a refused drain leaves where they are.
	Unplaced []Unplaced
	Errors   []Message // something wanted can't be done; apply does the rest only after asking
	Warnings []Message
	Summary  Summary

	Operations []state.Operation // what Approve commits: new pending ones, in order
	Cancel     []string          // pending operations that became wrong and are to be withdrawn first
	Digest     string            // over Operations and Cancel without their explanations
}

// Change is one line of a plan: what happens to one block instance.
type Change struct {
	Address    spec.Address
	Name       string // as people call it
	Action     ChangeAction
	From, To   spec.Address // hosts, for moves and placements
	Kind       state.Kind   // of a migration
	Reason     state.Reason
	Details    []string // "flavor m1.small", "disk 20 GiB", "address 10.20.1.5", ...
	Interrupts bool     // the guest notices
	Attributes []AttributeChange
	Bytes      int64    // to copy: memory and disks of a move, image upload; 0 unknown or none
	Operations []string // ids, in order
	Placement  *Placement
}

// ChangeAction is the word beside the sign in a plan.
type ChangeAction string

// The actions of changes. Those on hosts, images and settings are about the record and the cache.
const (
	ActCreate      ChangeAction = "create"
	ActTerminate   ChangeAction = "terminate"
	ActMigrateLive ChangeAction = "live-migrate"
	ActMigrateCold ChangeAction = "cold-migrate"
	ActEvacuate    ChangeAction = "evacuate"
	ActStart       ChangeAction = "start"
	ActStop        ChangeAction = "stop"
	ActPause       ChangeAction = "pause"
	ActResume      ChangeAction = "resume"
	ActSuspend     ChangeAction = "suspend"
	ActRestart     ChangeAction = "restart"
	ActUpdate      ChangeAction = "update"  // no interruption
	ActRestore     ChangeAction = "restore" // the domain is missing: defined again from its disks
	ActForget      ChangeAction = "forget"
	ActMove        ChangeAction = "rename"   // a moved block: only the address changes
	ActContinue    ChangeAction = "continue" // an approved operation that is not finished yet
)

// AttributeChange is one attribute that differs.
type AttributeChange struct {
	Name     string
	Old, New string
}

// Placement explains where an instance goes.
type Placement struct {
	Host       spec.Address // "" when nowhere
	Weight     float64
	Candidates int         // hosts looked at
	Rejections []Rejection // per filter, in filter order
	Nearest    *Nearest
	Ranked     []RankedHost // only in explanations
}

// Rejection counts the hosts that one filter removed.
type Rejection struct {
	Filter  string
	Hosts   int
	Example string       // one host and its sentence
	Reasons []HostReason // every host, only in explanations
}

// HostReason is why a filter removed a host.
type HostReason struct {
	Host    spec.Address
	Message string // "ram: wants 4096 MiB, 2048 of 6144 left at ratio 1.5"
}

// Nearest is the host that came closest: rejected by the last filter, lacking least.
type Nearest struct {
	Host    spec.Address
	Filter  string
	Message string
}

// RankedHost is a host that passed, with its weight in parts.
type RankedHost struct {
	Host   spec.Address
	Weight float64
	Parts  []WeightPart
}

// WeightPart is one weigher's share of a weight.
type WeightPart struct {
	Weigher    string
	Raw        float64
	Normalized float64
	Multiplier float64
}

// Unplaced is an instance that can't be put where it should be.
type Unplaced struct {
	Address   spec.Address
	Reason    state.Reason
	Placement *Placement
	Source    spec.Source
}

// Message is an error or warning of a plan.
type Message struct {
	Code    string
	Address spec.Address
	Summary string   // one line
	Detail  []string // further lines: reasons, what to do
	Source  spec.Source
}

// Summary counts a plan.
type Summary struct {
	Create, Terminate, Live, Cold, Evacuate, Change, Restart, Interrupt, Unplaced, Hosts, Instances int
	Unseen                                                                                          int // hosts not seen: "no changes" is never said with one
	Seconds                                                                                         int // estimate of the whole, 0 when unknown
	Bytes                                                                                           int64
}
