package api

import (
	"context"
	"io"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

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
