package planner

import (
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// Options shape one computation. They are part of what is approved.
type Options struct {
	AllowPartial bool           // carry out what can be, though something can't
	Target       []spec.Address // only these (and what they need) are taken from the proposed spec
	Exclude      []spec.Address // these are left as they are
	Destroy      bool           // everything in the spec is to go
	Explain      bool           // fill Placement.Ranked and Rejection.Reasons; expensive
	// Leave are the reasons, such as ReasonFoundStopped, of what was found behind our back and stays as it is.
	Leave []string
	// Hold are instances and hosts about which nothing is decided now.
	Hold []spec.Address
}

// Approval asks for a plan that somebody saw to be carried out.
type Approval struct {
	Spec    *spec.Spec // proposed; sealed
	Options Options
	Base    uint64 // revision that the seen plan started from
	Digest  string // of the seen plan
	By      string
	Message string
	Commit  string
	Request string // id that follows everything this causes; the same one again is answered with the first outcome
	Origin  string // where By was
	Pending string // id of the pending plan that this approves
}

// Approved is what became of an Approval.
type Approved struct {
	Plan       *Plan    // as computed again
	Stale      bool     // it differs from what was seen: nothing was committed, Plan is the new one
	Repeated   bool     // the request took effect before; Plan is nil
	Revision   uint64   // in force now, or, of a repeated one, then
	Operations []string // ids to follow: new ones and those that were under way
}

// Progress is one thing that happened to an operation, or how far it is. It is volatile.
type Progress struct {
	At        time.Time
	Operation state.Operation // as recorded; Phase says whether this is its end
	Step      string          // what it does now: "uploading image.debian", "waiting for shutdown"
	Done      int64           // bytes; 0 of 0 when it isn't a transfer
	Total     int64
	Rate      int64 // bytes/s
	Message   string
}

// Check is one line of a doctor's report.
type Check struct {
	Host   spec.Address
	Peer   spec.Address // of a check between two hosts
	Name   string       // "reachable", "libvirt", "virtualisation", "pool /srv/vms", ...
	Status CheckStatus
	Detail string // with figures
	Fix    string // the command that mends it
}

// CheckStatus is the outcome of a check.
type CheckStatus string

// The outcomes of a check.
const (
	CheckOK      CheckStatus = "ok"
	CheckWarning CheckStatus = "warning"
	CheckFailed  CheckStatus = "failed"
	CheckSkipped CheckStatus = "skipped" // it could not be made; Detail says why
)
