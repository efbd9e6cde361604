package state

import (
	"time"

	"github.com/novaplan/novaplan/spec"
)

// Entry is one committed log entry.
type Entry struct {
	Index uint64
	Term  uint64
	At    time.Time // the proposer's clock; see State.Time
	// ClockStepped is the proposer's word that its wall clock and its monotonic clock went apart by more
	// than MaxClockJump since its last entry.
	ClockStepped bool
	Command      Command
}

// MaxClockJump is how far a clock may step, forward or back, before purges wait.
const MaxClockJump = 10 * time.Minute

// Command is one change of the record. Exactly one field is set; the encoding says which.
type Command struct {
	Bootstrap    *Bootstrap    `json:"bootstrap,omitempty"`
	PutChunk     *PutChunk     `json:"put_chunk,omitempty"`
	Approve      *Approve      `json:"approve,omitempty"`
	SetInventory *SetInventory `json:"set_inventory,omitempty"`
	Start        *Start        `json:"start,omitempty"`
	Step         *Step         `json:"step,omitempty"`
	Finish       *Finish       `json:"finish,omitempty"`
	Retarget     *Retarget     `json:"retarget,omitempty"`
	Cancel       *Cancel       `json:"cancel,omitempty"`
	Revoke       *Revoke       `json:"revoke,omitempty"`
	Freeze       *Freeze       `json:"freeze,omitempty"`
	Purge        *Purge        `json:"purge,omitempty"`
	Restore      *Restore      `json:"restore,omitempty"`
	Survey       *Survey       `json:"survey,omitempty"`
	NoteImages   *NoteImages   `json:"note_images,omitempty"`
	RaiseLevel   *RaiseLevel   `json:"raise_level,omitempty"`
	// Of LevelServed:
	CreateToken *CreateToken `json:"create_token,omitempty"`
	RevokeToken *RevokeToken `json:"revoke_token,omitempty"`
	SubmitPlan  *SubmitPlan  `json:"submit_plan,omitempty"`
	DropPlan    *DropPlan    `json:"drop_plan,omitempty"`
	SetSettings *SetSettings `json:"set_settings,omitempty"`
	Note        *Note        `json:"note,omitempty"`
}

// Bootstrap begins a record. It is the first command and refused afterwards.
type Bootstrap struct {
	ClusterID string `json:"cluster_id"`
	Fleet     string `json:"fleet"`
	Mode      Mode   `json:"mode"`
	Level     uint32 `json:"level"`
}

// PutChunk stores content-addressed data that a later Approve names.
type PutChunk struct {
	Digest string `json:"digest"`
	Data   []byte `json:"data"`
}

// Approve makes a new revision the desired one and commits its operations as pending. It is refused
// as stale when Base is not the revision in force.
type Approve struct {
	Stack      string    `json:"stack"`
	Base       uint64    `json:"base"`
	Manifest   *Revision `json:"manifest,omitempty"` // nil: the spec did not change, only operations are added
	PlanDigest string    `json:"plan_digest"`
	// OperationChunks are digests of chunks that hold the encoded operations, in order; few operations
	// ride in Operations instead.
	Operations      []Operation `json:"operations,omitempty"`
	OperationChunks []string    `json:"operation_chunks,omitempty"`
	// Cancel are pending operations that became wrong; they are withdrawn first.
	Cancel  []string `json:"cancel,omitempty"`
	By      string   `json:"by,omitempty"`
	Request string   `json:"request"`
	// Of LevelServed: where By was, and the pending plan that this approves.
	From string `json:"from,omitempty"`
	Plan string `json:"plan,omitempty"`
}

// SetInventory records what a host has, because it changed.
type SetInventory struct {
	Host      spec.Address `json:"host"`
	Name      string       `json:"name"`
	Inventory Inventory    `json:"inventory"`
	Claimed   bool         `json:"claimed"`
}

// Start claims a pending operation for an epoch, or takes a running one over for a later epoch. A
// pending one starts only when what it comes after is done and capacity, groups, limits and the
// one-operation-per-instance rule allow it now.
type Start struct {
	Operation string `json:"operation"`
	Epoch     uint64 `json:"epoch"`
}

// Step records that a step of a running operation is done, with what it found out.
type Step struct {
	Operation string    `json:"operation"`
	Epoch     uint64    `json:"epoch"`
	Step      string    `json:"step"`
	Build     *Instance `json:"build,omitempty"` // the instance record as far as it is known now
}

// Finish ends a running operation.
type Finish struct {
	Operation string    `json:"operation"`
	Epoch     uint64    `json:"epoch"`
	Error     string    `json:"error,omitempty"` // "" is success
	Build     *Instance `json:"build,omitempty"` // the instance record afterwards
}

// Retarget sends a create or migrate that failed on its host to another one. What was begun on the
// old one must have been undone and read back before.
type Retarget struct {
	Operation string       `json:"operation"`
	Epoch     uint64       `json:"epoch"`
	To        spec.Address `json:"to"`
	Error     string       `json:"error"` // why the last host failed
}

// Cancel withdraws pending operations, all when none is named.
type Cancel struct {
	Operations []string `json:"operations,omitempty"`
	Reason     string   `json:"reason"`
	By         string   `json:"by,omitempty"`
	// Of LevelServed:
	Request string `json:"request,omitempty"`
	From    string `json:"from,omitempty"`
}

// Revoke moves a running operation to revoking, or, when Done, a revoking one to revoked: it was
// undone on its host and read back.
type Revoke struct {
	Operation string `json:"operation"`
	Epoch     uint64 `json:"epoch"`
	Done      bool   `json:"done,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// Freeze marks an instance whose place can't be known, or (Thaw) ends that.
type Freeze struct {
	Instance spec.Address `json:"instance"`
	Why      string       `json:"why,omitempty"`
	Thaw     bool         `json:"thaw,omitempty"`
}

// Purge removes expired trash whose files are gone.
type Purge struct {
	Trash []string `json:"trash"`
}

// Restore rebuilds instances of the record from what was found on hosts (takeover).
type Restore struct {
	Instances []Instance `json:"instances"`
	By        string     `json:"by,omitempty"`
	// Of LevelServed:
	Request string `json:"request,omitempty"`
	From    string `json:"from,omitempty"`
}

// RaiseLevel lets Apply use newer behaviour.
type RaiseLevel struct {
	Level uint32 `json:"level"`
}

// Result is what Apply says of one command.
type Result struct {
	Index   uint64   // of the entry
	Refused *Refusal // nil: it took effect
	First   *Request // it took effect before, as this request, and changed nothing now
}

// Refusal is why a command changed nothing. Codes are decisions, messages are for people.
type Refusal struct {
	Code    RefusalCode
	Message string
}

// Error makes a refusal an error.
func (r *Refusal) Error() string { return r.Message }

// RefusalCode is the closed set of reasons to refuse.
type RefusalCode string

// The refusals.
const (
	Stale        RefusalCode = "stale"        // the base revision is not the one in force
	WrongEpoch   RefusalCode = "wrong-epoch"  // another leader has the operation
	NotReady     RefusalCode = "not-ready"    // what it comes after is not done yet
	NoCapacity   RefusalCode = "no-capacity"  // it would overcommit the host now
	GroupPolicy  RefusalCode = "group-policy" // it would break the group now
	LimitReached RefusalCode = "limit"        // per host, in total, or the block's update
	WrongPhase   RefusalCode = "wrong-phase"  // it is not in a phase that allows this
	Unknown      RefusalCode = "unknown"      // no such operation, chunk, ...
	Invalid      RefusalCode = "invalid"      // malformed; a bug of the proposer
)
