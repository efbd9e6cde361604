package planner

import (
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
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
	Freeze     []state.Freeze    // instances whose place can't be known, to be recorded at once
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
	ActClaim       ChangeAction = "claim"    // of a host
	ActUnclaim     ChangeAction = "unclaim"  // of a host that left the spec
	ActUpload      ChangeAction = "upload"   // of an image, on first use; what uses it does it
)

// AttributeChange is one attribute that differs.
type AttributeChange struct {
	Name     string
	Old, New string
}

// What placement says of a host or of where an instance goes.
type (
	Placement  = placement.Placement
	Rejection  = placement.Rejection
	HostReason = placement.HostReason
	Nearest    = placement.Nearest
	RankedHost = placement.RankedHost
	WeightPart = placement.WeightPart
)

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
	// Blocks: the proposed spec must not come into force, because the protection that this error speaks
	// of would be forgotten with the revision that it replaces. See Plan.Blocked.
	Blocks bool
}

// Summary counts a plan.
type Summary struct {
	Create, Terminate, Live, Cold, Evacuate, Change, Restart, Interrupt, Unplaced, Hosts, Instances int
	Unseen                                                                                          int // hosts not seen: "no changes" is never said with one
	Seconds                                                                                         int // estimate of the whole, 0 when unknown
	Bytes                                                                                           int64
}
