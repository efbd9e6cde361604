package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// Record is the replicated record as the controller needs it. A read-only one fails in Propose and
// has Term 0: looking and planning work, nothing else does.
type Record interface {
	operation.Record
	// ProposeAll is Propose for several commands in order, at the price of few.
	ProposeAll(ctx context.Context, commands ...state.Command) ([]state.Result, error)
	// Changes returns a channel that is closed when the state changes: take it before State.
	Changes() <-chan struct{}
}

// Sizes tells how large images are before they are fetched. Only people are told: an error means that it
// isn't known. It is called for several images at once, and must not take longer than a look at hosts.
type Sizes interface {
	// SizeOf returns the bytes of the image's content, 0 when they aren't known.
	SizeOf(ctx context.Context, image spec.Image) (int64, error)
}

// Options shape a Controller. Zero fields have defaults.
type Options struct {
	Images      operation.Images // nil: the controller can look and plan
	Sizes       Sizes            // nil: plans don't tell the sizes of images
	Endpoint    string           // written into claims
	Parallelism int              // operations at once, beyond the record's own limits; 0: 10
	Observe     int              // hosts looked at, and recorded, at once; 0: 64
	Attempts    int              // hosts that a create or migration is tried on; 0: 3
	Retry       time.Duration    // between two looks at a parked operation; 0: 30 s
	Connect     time.Duration    // for a host's first answer; 0: 5 s
	Times       operation.Times
	Log         *slog.Logger
	// Trace is called before and after each step; see operation.World.
	Trace func(op state.Operation, step string, when operation.When)
}

func (o Options) withDefaults() Options {
	if o.Parallelism <= 0 {
		o.Parallelism = 10
	}
	if o.Attempts <= 0 {
		o.Attempts = 3
	}
	if o.Retry <= 0 {
		o.Retry = 30 * time.Second
	}
	if o.Observe <= 0 {
		o.Observe = 64
	}
	if o.Connect <= 0 {
		o.Connect = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Images == nil {
		o.Images = noImages{}
	}
	return o
}

// The errors that callers decide on.
var (
	// ErrNotLeader: this process may not carry anything out.
	ErrNotLeader = errors.New("not the leader")
	// ErrOldCopy: the hosts have been worked on since the record ends.
	ErrOldCopy = errors.New("this record is an old copy")
	// ErrReadOnly: the record can't be written here.
	ErrReadOnly = errors.New("the record is read-only")
)
