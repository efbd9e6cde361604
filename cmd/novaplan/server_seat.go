package main

import (
	"context"
	"errors"
	"sync"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/reconcile"
)

// errSeat ends what is under way when leadership comes or goes.
var errSeat = errors.New("another member leads now, or nobody yet: try again")

// seat is a controller and its hosts for as long as this member leads, or for as long as it doesn't. Calls of
// the API hold it while they last.
type seat struct {
	*reconcile.Controller
	world *world
	leads bool
	life  context.Context
	end   context.CancelCauseFunc
	users sync.WaitGroup

	aborting sync.Once
	aborted  chan struct{} // closed when what runs was told to end: the controller starts nothing any more
}

// Abort asks running operations to end. The controller is of no use afterwards.
func (s *seat) Abort() {
	s.Controller.Abort()
	s.aborting.Do(func() { close(s.aborted) })
}

// seats is the place of the present one.
type seats struct {
	mu      sync.Mutex
	now     *seat
	changed chan struct{} // closed and replaced when now is
}

func newSeats() *seats { return &seats{changed: make(chan struct{})} }

// hold returns the present seat and a context that ends with it; nil when there is none. The caller must
// call done.
func (s *seats) hold(ctx context.Context) (held *seat, during context.Context, done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held = s.now
	if held == nil {
		return nil, ctx, func() {}
	}
	held.users.Add(1)
	during, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(held.life, func() { cancel(errSeat) })
	return held, during, func() {
		stop()
		cancel(nil)
		held.users.Done()
	}
}

// look returns the present seat, which may be gone in a moment, and a channel that is closed then.
func (s *seats) look() (*seat, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.changed
}

// replace puts another seat, or none, in the present one's place and closes that when nobody holds it
// any more. What holds it is told to end.
func (s *seats) replace(next *seat) error {
	s.mu.Lock()
	old := s.now
	s.now = next
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if old == nil {
		return nil
	}
	old.end(errSeat)
	old.users.Wait()
	return errors.Join(old.Controller.Close(), old.world.close())
}

// newSeat returns a controller over a node.
func newSeat(node *cluster.Node, w *world, opts reconcile.Options, leads bool) *seat {
	opts.Images, opts.Sizes = w.images, w.sizes
	s := &seat{Controller: reconcile.New(node, w.driver, opts), world: w, leads: leads, aborted: make(chan struct{})}
	s.life, s.end = context.WithCancelCause(context.Background())
	return s
}
