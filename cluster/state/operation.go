package state

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/novaplan/novaplan/spec"
)

// Action is what an operation does.
type Action string

// The actions. Each has one file in reconcile/operation.
const (
	Create    Action = "create"    // build and start (or leave off) at To
	Terminate Action = "terminate" // stop, undefine, disks to the trash, at From
	Migrate   Action = "migrate"   // From -> To, Kind says how
	StartUp   Action = "start"     // boot what is off, XML rebuilt
	Stop      Action = "stop"      // ACPI, then hard
	Pause     Action = "pause"
	Resume    Action = "resume"
	Suspend   Action = "suspend"  // managed save
	Redefine  Action = "redefine" // put the definition right; the guest is not interrupted
	Rebuild   Action = "restore"  // define and start again from the recorded disks: the domain is missing
	ClaimHost Action = "claim"    // of a host: To
	Unclaim   Action = "unclaim"  // of a host that left the spec: From
	Forget    Action = "forget"   // leave the guest alone, drop the record and the stamp
)

// Kind says how a migration moves an instance. A retry may change the target, never the kind.
type Kind string

// The kinds of migration.
const (
	Live     Kind = "live"     // running, by the hypervisor; disks too when the pool is local
	Cold     Kind = "cold"     // off at both ends
	Evacuate Kind = "evacuate" // the source is dead
)

// Phase of an operation.
type Phase string

// The phases: pending -> running -> done | failed | cancelled, running -> revoking -> revoked.
const (
	Pending   Phase = "pending"
	RunningOp Phase = "running"
	Done      Phase = "done"
	Failed    Phase = "failed"
	Cancelled Phase = "cancelled"
	Revoking  Phase = "revoking"
	Revoked   Phase = "revoked"
)

// Final reports whether nothing more will happen to the operation.
func (p Phase) Final() bool { return p == Done || p == Failed || p == Cancelled || p == Revoked }

// Reason is why something happens: an enumerated code and a sentence with figures.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Operation is something being done, or about to be.
type Operation struct {
	ID       string       `json:"id"` // see OperationID; assigned by the planner, unique in the record
	Action   Action       `json:"action"`
	Instance spec.Address `json:"instance,omitempty"` // "" for host actions
	From     spec.Address `json:"from,omitempty"`
	To       spec.Address `json:"to,omitempty"`
	Kind     Kind         `json:"kind,omitempty"`
	Reason   Reason       `json:"reason"`
	After    []string     `json:"after,omitempty"` // ids that must be done before
	Block    spec.Address `json:"block,omitempty"` // whose update limit it counts against, "" when it interrupts nobody

	// Of a migrate that is part of moving an affinity group as a whole: the group. Only such a migrate may leave
	// the others behind, or join those that went before.
	Unit spec.Address `json:"unit,omitempty"`

	// Of a create: the record it makes. Of others: nil.
	Build *Instance `json:"build,omitempty"`
	// Of a create or migrate: what it takes at To, and of a migrate the pool that its disks are in.
	Size Size `json:"size,omitzero"`
	Pool Pool `json:"pool,omitzero"`

	Phase    Phase          `json:"phase"`
	Epoch    uint64         `json:"epoch,omitempty"` // raft term that claimed it
	Steps    []string       `json:"steps,omitempty"` // done, in order
	Attempt  int            `json:"attempt,omitempty"`
	Tried    []spec.Address `json:"tried,omitempty"` // hosts that it failed on
	Request  string         `json:"request"`
	Revision uint64         `json:"revision"`
	Error    string         `json:"error,omitempty"`
	Approved time.Time      `json:"approved,omitzero"`
	Started  time.Time      `json:"started,omitzero"`
	Ended    time.Time      `json:"ended,omitzero"`
}

// Subject is what only one operation at a time may work on: the instance, or the host of a claim.
func (o *Operation) Subject() spec.Address {
	if o.Instance != "" {
		return o.Instance
	}
	if o.To != "" {
		return o.To
	}
	return o.From
}

// OperationID is the id of the n-th operation (from 1) of the next plan of st: "<approval>-<n>".
// Two plans made from one version of the record give the same ids, so the second is refused as
// stale.
func OperationID(st State, n int) string {
	return strconv.FormatUint(st.Approvals+1, 10) + "-" + strconv.Itoa(n)
}

// CompareIDs orders operations as they were approved: "2-10" is after "2-9".
func CompareIDs(a, b string) int {
	aMajor, aMinor := splitID(a)
	bMajor, bMinor := splitID(b)
	return cmp.Or(cmp.Compare(aMajor, bMajor), cmp.Compare(aMinor, bMinor), cmp.Compare(a, b))
}

func splitID(id string) (approval, n uint64) {
	head, tail, _ := strings.Cut(id, "-")
	approval, _ = strconv.ParseUint(head, 10, 64)
	n, _ = strconv.ParseUint(tail, 10, 64)
	return approval, n
}
