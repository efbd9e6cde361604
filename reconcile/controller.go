package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/planner/drift"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/reconcile/recovery"
	"github.com/novaplan/novaplan/spec"
)

// Controller looks, plans, approves and carries out. It is safe for concurrent use.
type Controller struct {
	rec   Record
	opts  Options
	log   *slog.Logger
	hosts *hosts
	world *operation.World
	feed  *feed
	pulse *pulse

	mu       sync.Mutex
	seen     *planner.Observed // the last look
	halted   bool
	aborting sync.Once
	aborted  chan struct{}

	approving sync.Mutex                     // one Approve at a time
	standing  atomic.Pointer[drift.Standing] // nil: nobody keeps the fleet
}

// New returns a controller of the record that reaches hosts through drv. Nothing happens before a
// method is called; Close ends its connections.
func New(rec Record, drv hypervisor.Driver, opts Options) *Controller {
	opts = opts.withDefaults()
	c := &Controller{
		rec: rec, opts: opts, log: opts.Log, hosts: newHosts(rec, drv), feed: newFeed(), pulse: newPulse(),
		aborted: make(chan struct{}),
	}
	c.world = &operation.World{
		Record: rec, Hosts: c.hosts, Images: opts.Images, Judge: recovery.Judge, Endpoint: opts.Endpoint,
		Log: opts.Log, Report: c.feed.send, Trace: opts.Trace, Times: opts.Times,
	}
	return c
}

// State returns the record.
func (c *Controller) State() state.State { return c.rec.State() }

// Close ends the connections to all hosts. Guests and migrations go on.
func (c *Controller) Close() error { return c.hosts.close() }

// Halt starts no further operation: what runs is finished, the rest stays pending in the record.
func (c *Controller) Halt() {
	c.mu.Lock()
	c.halted = true
	c.mu.Unlock()
	c.pulse.beat()
}

// Abort is Halt, and asks the running operations to end too: hypervisors abort their jobs, and what
// was begun is undone.
func (c *Controller) Abort() {
	c.Halt()
	c.aborting.Do(func() { close(c.aborted) })
}

func (c *Controller) isHalted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.halted
}

// Follow delivers what happens to operations until ctx ends; then the channel is closed. A slow reader
// loses progress, never the end of an operation.
func (c *Controller) Follow(ctx context.Context) <-chan planner.Progress { return c.feed.follow(ctx) }

// commit proposes a command and makes a refusal an error.
func (c *Controller) commit(ctx context.Context, command state.Command) error {
	result, err := c.rec.Propose(ctx, command)
	if err != nil {
		return err
	}
	if result.Refused != nil {
		return result.Refused
	}
	return nil
}

// together is how many commands are proposed at once.
const together = 256

// commitAll proposes commands in order; the first refusal is an error.
func (c *Controller) commitAll(ctx context.Context, commands []state.Command) error {
	for len(commands) > 0 {
		n := min(together, len(commands))
		results, err := c.rec.ProposeAll(ctx, commands[:n]...)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Refused != nil {
				return r.Refused
			}
		}
		commands = commands[n:]
	}
	return nil
}

// desired returns the given spec, or the one in force; an empty one when there is none.
func (c *Controller) desired(given *spec.Spec) *spec.Spec {
	if given != nil {
		return given
	}
	if st := c.rec.State(); st.Desired != nil {
		return st.Desired.Spec
	}
	return &spec.Spec{}
}

// hostName returns what people call a host.
func (c *Controller) hostName(st state.State, address spec.Address) string {
	if st.Desired != nil {
		if h := st.Desired.Index.Hosts[address]; h != nil {
			return h.Name
		}
	}
	if h, ok := st.Hosts.Get(string(address)); ok && h.Name != "" {
		return h.Name
	}
	return address.Short()
}

func (c *Controller) leading() error {
	if c.rec.Term() == 0 {
		return fmt.Errorf("%w: nothing can be carried out from here", ErrNotLeader)
	}
	return nil
}
