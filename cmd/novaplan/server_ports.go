package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/spec"
)

// works is what the API asks of a server: each call goes to the controller of the moment.
type works struct {
	node    *cluster.Node
	seats   *seats
	planned func(time.Duration, error) // how long a plan took
}

// unavailable: this member can't answer now, and the cluster may in a moment.
func unavailable(err error) error {
	return &wire.Error{Code: api.CodeNoLeader, Message: err.Error()}
}

// during runs call on the present seat. An error that came of losing the seat says so.
func (w *works) during(ctx context.Context, leads bool, call func(context.Context, *seat) error) error {
	held, ctx, done := w.seats.hold(ctx)
	defer done()
	if held == nil || leads && !held.leads {
		return unavailable(errSeat)
	}
	err := call(ctx, held)
	if err != nil && (errors.Is(context.Cause(ctx), errSeat) || errors.Is(err, reconcile.ErrNotLeader) || errors.Is(err, cluster.ErrNotLeader)) {
		return unavailable(err)
	}
	return err
}

// State returns the record as this member has it.
func (w *works) State() state.State { return w.node.State() }

// Observe looks at the hosts.
func (w *works) Observe(ctx context.Context, desired *spec.Spec) (seen *planner.Observed, err error) {
	err = w.during(ctx, false, func(ctx context.Context, s *seat) error {
		seen, err = s.Observe(ctx, desired)
		return err
	})
	return seen, err
}

// Plan computes what would be done.
func (w *works) Plan(ctx context.Context, desired *spec.Spec, opts planner.Options) (plan *planner.Plan, seen *planner.Observed, err error) {
	begun := time.Now()
	err = w.during(ctx, false, func(ctx context.Context, s *seat) error {
		plan, seen, err = s.Plan(ctx, desired, opts)
		return err
	})
	w.planned(time.Since(begun), err)
	return plan, seen, err
}

// Explain tells everything about one instance.
func (w *works) Explain(ctx context.Context, desired *spec.Spec, address spec.Address) (e *planner.Explanation, err error) {
	err = w.during(ctx, false, func(ctx context.Context, s *seat) error {
		e, err = s.Explain(ctx, desired, address)
		return err
	})
	return e, err
}

// Approve commits a plan.
func (w *works) Approve(ctx context.Context, a planner.Approval) (approved planner.Approved, err error) {
	err = w.during(ctx, true, func(ctx context.Context, s *seat) error {
		approved, err = s.Approve(ctx, a)
		return err
	})
	return approved, err
}

// Settle waits for operations.
func (w *works) Settle(ctx context.Context, ids []string) error {
	return w.during(ctx, true, func(ctx context.Context, s *seat) error { return s.Settle(ctx, ids) })
}

// Follow delivers what happens to operations, from one leadership to the next.
func (w *works) Follow(ctx context.Context) <-chan planner.Progress {
	out := make(chan planner.Progress, 16)
	first := w.follow(ctx) // from now on, not from whenever the goroutine begins
	go func() {
		defer close(out)
		for in := first; ; in = w.follow(ctx) {
			for p := range in {
				select {
				case out <- p:
				case <-ctx.Done():
					return
				}
			}
			if ctx.Err() != nil {
				return
			}
		}
	}()
	return out
}

// follow delivers what the present seat does until it ends, or there is one.
func (w *works) follow(ctx context.Context) <-chan planner.Progress {
	now, changed := w.seats.look()
	ctx, cancel := context.WithCancel(ctx)
	var in <-chan planner.Progress
	if now != nil {
		in = now.Follow(ctx)
	}
	out := make(chan planner.Progress)
	go func() {
		defer close(out)
		defer cancel()
		for {
			select {
			case p, ok := <-in:
				if !ok {
					return
				}
				select {
				case out <- p:
				case <-ctx.Done():
					return
				}
			case <-changed:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// Halt withdraws what hasn't begun. A server goes on afterwards, so unlike in a command it isn't the
// controller that stops.
func (w *works) Halt() {
	var waiting []string
	for id, op := range w.node.State().Operations.All() {
		if op.Phase == state.Pending {
			waiting = append(waiting, id)
		}
	}
	if len(waiting) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), withdrawWait)
	defer cancel()
	_, _ = w.node.Propose(ctx, state.Command{Cancel: &state.Cancel{Operations: waiting, Reason: "cancelled"}}) // the caller sees what is left
}

// withdrawWait bounds how long a cluster may take to record a cancellation.
const withdrawWait = 10 * time.Second

// Abort is Halt, and undoes what runs. The controller that did it is of no use afterwards: the leader's loop
// makes another one.
func (w *works) Abort() {
	w.Halt()
	held, _, done := w.seats.hold(context.Background())
	defer done()
	if held != nil && held.leads {
		held.Abort()
	}
}

// Doctor checks the hosts.
func (w *works) Doctor(ctx context.Context, desired *spec.Spec) (checks []planner.Check, err error) {
	err = w.during(ctx, false, func(ctx context.Context, s *seat) error {
		checks, err = s.Doctor(ctx, desired)
		return err
	})
	return checks, err
}

// Takeover rebuilds the record from the hosts.
func (w *works) Takeover(ctx context.Context, desired *spec.Spec, gone []spec.Address, by string) error {
	return w.during(ctx, true, func(ctx context.Context, s *seat) error { return s.Takeover(ctx, desired, gone, by) })
}

// Console connects to a serial port.
func (w *works) Console(ctx context.Context, address spec.Address, rw io.ReadWriter, force bool) error {
	return w.during(ctx, false, func(ctx context.Context, s *seat) error { return s.Console(ctx, address, rw, force) })
}
