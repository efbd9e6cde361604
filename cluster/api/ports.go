package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/planner/drift"
	"github.com/novaplan/novaplan/spec"
)

// Ports are what a Handler stands on. Planner is required; what is nil answers "read-only".
type Ports struct {
	Planner   Planner
	Executor  Executor
	Inspector Inspector
	Consoles  Consoles
	Record    Record  // nil: nothing but plans can be written
	Members   Members // nil: the record is in this process alone
	Sealer    Sealer  // nil: callers seal for themselves

	// Auth finds out who asks; nil: only what the connection itself proves counts.
	Auth *auth.Authenticator
	// Leader returns where the leader is and whether it is this member; nil: it is.
	Leader func() (address string, self bool)
	// Verify makes sure that this member leads now and knows all that was acknowledged before; nil: it does.
	Verify func(ctx context.Context) error
	// LastContact is how long the leader was not heard of; nil: 0.
	LastContact func() time.Duration
	// Forward sends requests to the leader, at https and the address that Leader gave, as this member.
	Forward http.RoundTripper
	// Shared says that many use this controller: what one cancels is that one's alone. Else it lives in a command, which
	// carries out one apply at a time.
	Shared bool

	// Folder says how the folder stands that is watched here, nil for none; it may be nil.
	Folder func() *wire.Folder
	// Standing tells what a keeper has found, false when nobody keeps the fleet here; it may be nil.
	Standing func() (drift.Standing, bool)

	Log      *slog.Logger // nil: none
	Identity wire.Identity
	ReadOnly string // why nothing can be applied; shown in plans
	// Panicked is told of a bug that a request ran into, with its stack. The request gets an error.
	Panicked func(value any, stack []byte)
}

func (p Ports) withDefaults() Ports {
	if p.Leader == nil {
		p.Leader = func() (string, bool) { return "", true }
	}
	if p.Verify == nil {
		p.Verify = func(context.Context) error { return nil }
	}
	if p.LastContact == nil {
		p.LastContact = func() time.Duration { return 0 }
	}
	if p.Auth == nil {
		p.Auth = &auth.Authenticator{Tokens: p.Planner.State}
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	return p
}

// Record takes what isn't a plan: tokens, settings, notes. It tells when it changed.
type Record interface {
	State() state.State
	// Changes returns a channel that is closed when the record is newer than it was during this call.
	Changes() <-chan struct{}
	Propose(ctx context.Context, c state.Command) (state.Result, error)
}

// Members keeps the cluster.
type Members interface {
	Members(ctx context.Context) ([]wire.Member, error)
	RemoveMember(ctx context.Context, id string) error
	// TransferLeadership hands over to id, or to whoever is best when it is "".
	TransferLeadership(ctx context.Context, id string) error
	// Save writes a checksummed archive of the record.
	Save(ctx context.Context, w io.Writer) (wire.Snapshot, error)
	// Restore replaces the record by an archive's.
	Restore(ctx context.Context, r io.Reader) error
}

// Sealer seals secrets with the cluster's key.
type Sealer interface {
	Seal(plain string) (spec.Secret, error)
}

// Planner answers what is there and what would be done. A nil spec is the one in force.
type Planner interface {
	// State returns the record.
	State() state.State
	// Observe looks at the hosts.
	Observe(ctx context.Context, desired *spec.Spec) (*planner.Observed, error)
	// Plan looks at the hosts and computes; nothing is written.
	Plan(ctx context.Context, desired *spec.Spec, opts planner.Options) (*planner.Plan, *planner.Observed, error)
	// Explain tells everything about one instance; nil when nobody knows the address.
	Explain(ctx context.Context, desired *spec.Spec, address spec.Address) (*planner.Explanation, error)
}

// Executor carries plans out.
type Executor interface {
	// Approve commits a plan that was seen, or says that it is stale.
	Approve(ctx context.Context, a planner.Approval) (planner.Approved, error)
	// Follow delivers what happens to operations until ctx ends. It may drop progress, never the order.
	Follow(ctx context.Context) <-chan planner.Progress
	// Settle returns when none of the operations will change any more: each has ended, or can't start.
	Settle(ctx context.Context, ids []string) error
	// Halt starts no further operation; Abort asks the running ones to end too.
	Halt()
	Abort()
}

// Inspector checks hosts and rebuilds a lost record.
type Inspector interface {
	Doctor(ctx context.Context, desired *spec.Spec) ([]planner.Check, error)
	Takeover(ctx context.Context, desired *spec.Spec, gone []spec.Address, by string) error
}

// Consoles connects to serial ports.
type Consoles interface {
	// Console copies between rw and the instance's serial port until either ends.
	Console(ctx context.Context, address spec.Address, rw io.ReadWriter, force bool) error
}
