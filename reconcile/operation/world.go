package operation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// Record is the replicated record as operations need it.
type Record interface {
	// State returns the newest version that is known here.
	State() state.State
	// Propose commits a command and returns what Apply said of it. An error means that it is not known
	// whether it was committed.
	Propose(ctx context.Context, command state.Command) (state.Result, error)
	// Term returns the raft term in which this process leads, 0 when it doesn't.
	Term() uint64
}

// Hosts opens hosts by address.
type Hosts interface {
	// Host returns the open host. It fails only when nothing is known of the address.
	Host(ctx context.Context, address spec.Address) (hypervisor.Host, error)
	// Target returns how the host is opened, for a migration's destination.
	Target(address spec.Address) (hypervisor.Target, error)
}

// Image is an image in the cache of a pool: the backing file of root disks.
type Image = disk.Image

// Progress is called with bytes done of total; total is 0 when it isn't known.
type Progress = disk.Progress

// Images brings images and config drives into pools.
type Images interface {
	// EnsureImage makes the image usable as a backing file in the pool. It is idempotent, and two
	// callers at once fetch and upload once. Errors of the source (unreadable, wrong checksum,
	// foreign backing file) wrap ErrImage: no other host will do better.
	EnsureImage(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, image spec.Image, progress Progress) (Image, error)
	// Find returns the image of that digest if the pool has it, or else hypervisor.ErrNotFound.
	Find(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, digest, format string) (Image, error)
	// EnsureFile is EnsureImage for content that needn't be fetched.
	EnsureFile(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, file disk.File, progress Progress) (Image, error)
	// ConfigDrive returns the content of the instance's NoCloud config drive; nil when it has none.
	ConfigDrive(ctx context.Context, desired *state.Desired, instance *state.Instance) ([]byte, error)
}

// World is what operations act on and through.
type World struct {
	Record Record
	Hosts  Hosts
	Images Images
	Judge  Judge // what two ends of a migration mean; see package recovery
	// Endpoint is written into claims: where this cluster can be asked. "" when it has none.
	Endpoint string
	Log      *slog.Logger
	// Report is told of each step and of transfers. It must not block.
	Report func(planner.Progress)
	// Trace, if not nil, is called before and after each step's work. Tests stop the world there.
	Trace func(op state.Operation, step string, when When)
	Times Times

	baselines baselines
	pools     sync.Map // poolKey: EnsurePool worked there since we began
}

// When tells the two ends of a step.
type When string

// The ends of a step.
const (
	Before When = "before"
	After  When = "after"
)

// Times are the waits of operations. Zero fields have the defaults of DefaultTimes.
type Times struct {
	Call     time.Duration // one short call to a host
	Slow     time.Duration // a call that moves memory: managed save
	Patience time.Duration // how long a silent host is asked again before its operation is parked
	Resend   time.Duration // between two presses of the power button
	Poll     time.Duration // between two looks at something that is under way
	Off      time.Duration // for a destroyed domain to be off
	Stall    time.Duration // without progress, until a migration is aborted
}

// DefaultTimes returns the waits for real hosts.
func DefaultTimes() Times {
	return Times{
		Call: 30 * time.Second, Slow: 10 * time.Minute, Patience: time.Minute,
		Resend: 10 * time.Second, Poll: 500 * time.Millisecond, Off: 15 * time.Second,
		Stall: 5 * time.Minute,
	}
}

func (t Times) orDefault() Times {
	d := DefaultTimes()
	for _, f := range []struct{ have, want *time.Duration }{
		{&t.Call, &d.Call}, {&t.Slow, &d.Slow}, {&t.Patience, &d.Patience},
		{&t.Resend, &d.Resend}, {&t.Poll, &d.Poll}, {&t.Off, &d.Off}, {&t.Stall, &d.Stall},
	} {
		if *f.have <= 0 {
			*f.have = *f.want
		}
	}
	return t
}

// abort asks a host to end the domain's migration.
func (w *World) abort(ctx context.Context, h hypervisor.Host, uuid string, log *slog.Logger) {
	if err := h.AbortMigration(ctx, uuid); err != nil && !errors.Is(err, hypervisor.ErrState) {
		log.Warn("can't abort the migration", "error", err)
	}
}
