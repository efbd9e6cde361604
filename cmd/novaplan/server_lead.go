package main

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile"
)

// Pauses of the leader's loop.
const (
	worldPause = 100 * time.Millisecond // until the hosts are tried again: the leader before us may still hold them
	runPause   = 250 * time.Millisecond // after a loop that ended though we still lead
	abortWait  = time.Minute            // until operations that were told to end have
)

// work makes this member act whenever it leads, until ctx ends or the node is down. Between two leaderships it
// only looks.
func (s *server) work(ctx context.Context) error {
	if err := s.awaitRecord(ctx); err != nil {
		return err
	}
	s.takeSeat(ctx, false)
	s.serveAPI()
	aside, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop()
	beside.Go(func() { s.count(aside) })
	beside.Go(func() { s.watchSpec(aside) })
	for {
		_, lost, err := s.node.Leadership(ctx)
		if err != nil {
			return err
		}
		s.metrics.elected.Inc()
		s.lead(ctx, lost)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.takeSeat(ctx, false)
	}
}

// count counts what operations come to, until ctx ends.
func (s *server) count(ctx context.Context) {
	for p := range s.works.Follow(ctx) {
		if p.Operation.Phase.Final() {
			s.metrics.operated(&p.Operation)
		}
	}
}

// awaitRecord waits until the cluster has one: a newcomer has to find the others first.
func (s *server) awaitRecord(ctx context.Context) error {
	for {
		changes := s.node.Changes()
		if s.node.State().Level > 0 {
			return nil
		}
		s.notify.tell("STATUS=waiting for the other members")
		select {
		case <-changes:
		case <-s.node.Down():
			return s.node.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// takeSeat opens the hosts and puts a controller over them. Hosts that can't be had now are tried again until
// ctx ends; without leading they are not worth waiting for. It returns nil when there is no seat.
func (s *server) takeSeat(ctx context.Context, leads bool) *seat {
	if err := s.seats.replace(nil); err != nil {
		s.log.Warn("close hosts", "error", err)
	}
	st := s.node.State()
	for said := false; ; said = true {
		w, err := openWorld(s.place(), st.ClusterID, leads)
		if err == nil {
			next := newSeat(s.node, w, s.options(), leads)
			if err := s.seats.replace(next); err != nil {
				s.log.Warn("close hosts", "error", err)
			}
			return next
		}
		if !said {
			s.log.Warn("the hosts can't be opened", "error", err)
		}
		if !leads {
			return nil
		}
		if pause(ctx, worldPause) != nil {
			return nil
		}
	}
}

// lead carries operations out until the leadership is lost or ctx ends. Each round has a controller of its
// own: it knows nothing of the hosts but what it has seen itself.
func (s *server) lead(ctx context.Context, lost <-chan struct{}) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-lost:
			stop()
		case <-ctx.Done():
		}
	}()
	for ctx.Err() == nil {
		held := s.takeSeat(ctx, true)
		if held == nil {
			return
		}
		s.notify.tell("STATUS=leading")
		err := s.run(ctx, held)
		if ctx.Err() != nil {
			return
		}
		s.log.Warn("the controller's loop ended, it begins again", "error", err)
		_ = pause(ctx, runPause) // the loop looks at ctx
	}
}

// errAborted ends a loop whose operations were told to end.
var errAborted = errors.New("operations were aborted")

func (s *server) run(ctx context.Context, held *seat) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		select {
		case <-held.aborted:
			wait, done := context.WithTimeout(ctx, abortWait)
			defer done()
			_ = held.Settle(wait, runningOperations(s.node.State())) // what doesn't end is left to the next controller
			stop(errAborted)
		case <-ctx.Done():
		}
	}()
	err := s.perform(ctx, held)
	return cmp.Or(context.Cause(ctx), err)
}

// runningOperations lists the operations that have begun.
func runningOperations(st state.State) (ids []string) {
	for id, op := range st.Operations.All() {
		if op.Phase == state.RunningOp || op.Phase == state.Revoking {
			ids = append(ids, id)
		}
	}
	return ids
}

func (s *server) options() reconcile.Options {
	return reconcile.Options{Log: s.log, Endpoint: s.port.Address()}
}

// finish lets what is under way end, for a while, and then ends the loop. What isn't done by then is left
// to the next leader, or to this server when it comes back.
func (s *server) finish(ctx context.Context) {
	held, _ := s.seats.look()
	if held == nil || !held.leads {
		return
	}
	held.Halt()
	ids := runningOperations(s.node.State())
	if len(ids) == 0 {
		return
	}
	s.log.Info("waiting for operations", "operations", len(ids), "grace", s.conf.Grace.String())
	ctx, cancel := context.WithTimeout(ctx, s.conf.Grace)
	defer cancel()
	if err := held.Settle(ctx, ids); err != nil {
		s.log.Warn("operations are left to the next leader", "operations", len(runningOperations(s.node.State())), "error", err)
	}
}
