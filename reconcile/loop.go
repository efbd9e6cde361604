package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
)

// lookAgain is how long changes of the record by others may go unnoticed; our own are known at once.
const lookAgain = 250 * time.Millisecond

// loop is one run of the controller's loop.
type loop struct {
	c        *Controller
	epoch    uint64
	queue    *queue
	ended    chan ending
	scanned  uint64
	lastScan time.Time
	stalled  bool // everything held back was tried with nothing under way
}

// Run carries out the record's operations until ctx ends or this process no longer leads. What an
// earlier epoch began comes first, and is finished or revoked on its hosts. When ctx ends, running
// operations are left as they are, as a crash would: use Halt and Settle to end them properly.
func (c *Controller) Run(ctx context.Context) error {
	if err := c.leading(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := &loop{c: c, epoch: c.rec.Term(), queue: newQueue(), ended: make(chan ending)}
	retry := time.NewTicker(c.opts.Retry)
	defer retry.Stop()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	defer func() { c.pulse.set(standing{}) }()
	for changed := true; ; {
		changes := c.rec.Changes()
		changed = changed || c.rec.State().Index != l.scanned
		if changed && (l.lastScan.IsZero() || time.Since(l.lastScan) >= lookAgain || l.queue.running == 0) {
			l.scan()
			changed = false
		}
		l.startWhatCan(ctx)
		l.publish()
		select {
		case <-ctx.Done():
			cancel()
			l.drain()
			return ctx.Err()
		case e := <-l.ended:
			if err := l.conclude(ctx, e); err != nil {
				cancel()
				l.drain()
				return err
			}
		case <-l.wakeOn(changes):
			changed = true
		case <-c.pulse.kick:
			l.scan()
		case <-again.C:
		case <-retry.C:
			l.queue.retryParked()
		}
	}
}

// wakeOn returns changes when the loop would act on one at once. While operations run, the record
// changes all the time, mostly by ourselves: a look now and then is enough.
func (l *loop) wakeOn(changes <-chan struct{}) <-chan struct{} {
	if l.queue.running > 0 {
		return nil
	}
	return changes
}

func (l *loop) scan() {
	st := l.c.rec.State()
	// A refused start changes the record's index too, so only what is really new is worth another try.
	if l.queue.scan(st) {
		l.stalled = false
	}
	l.scanned, l.lastScan = st.Index, time.Now()
}

// startWhatCan begins operations while there are some and room for them.
func (l *loop) startWhatCan(ctx context.Context) {
	if l.c.isHalted() {
		return
	}
	for l.queue.running < l.c.opts.Parallelism {
		it := l.queue.next()
		if it == nil {
			if !l.stall(ctx) {
				return
			}
			continue
		}
		go func() { l.ended <- l.c.carryOut(ctx, it, l.epoch) }()
	}
}

// stall deals with operations that are held back though nothing is under way: once more all are
// tried; those that are refused even then can't be done and are withdrawn, unless a silent host may be
// what they wait for. It reports whether there is something to try.
func (l *loop) stall(ctx context.Context) bool {
	q := l.queue
	if q.running > 0 || len(q.held) == 0 {
		return false
	}
	if !l.stalled {
		l.stalled = true
		q.releaseAll()
		return true
	}
	if q.parked > 0 {
		return false
	}
	for id := range q.held {
		l.withdraw(ctx, id, "it can't be started: "+q.items[id].why)
	}
	l.scan()
	l.stalled = true
	return q.ready.Len() > 0
}

// withdraw cancels an operation that can't be carried out, and tells.
func (l *loop) withdraw(ctx context.Context, id, why string) {
	err := l.c.commit(ctx, state.Command{Cancel: &state.Cancel{Operations: []string{id}, Reason: why}})
	if err != nil {
		l.c.log.Warn("can't withdraw", "operation", id, "error", err)
	}
	st := l.c.rec.State()
	if op, ok := st.Operations.Get(id); ok && op.Phase.Final() {
		l.tell(op)
	}
	for _, op := range l.queue.finish(st, id) {
		l.tell(op)
	}
	delete(l.queue.held, id)
}

// publish tells Settle what the loop has come to.
func (l *loop) publish() {
	idle := l.queue.running == 0 && (l.queue.ready.Len() == 0 || l.c.isHalted())
	l.c.pulse.set(standing{running: true, idle: idle, scanned: l.scanned})
}

// conclude takes in how an operation ended.
func (l *loop) conclude(ctx context.Context, e ending) error {
	stalled := l.stalled
	l.stalled = false
	st := l.c.rec.State()
	switch e.kind {
	case endFinal:
		if op, ok := st.Operations.Get(e.item.op.ID); ok {
			l.tell(op)
		}
		for _, op := range l.queue.done(st, e.item) {
			l.tell(op)
		}
	case endHeld:
		e.item.why = e.err.Error()
		l.queue.hold(e.item)
		// What held it back may have ended between the refusal and now, so a refusal proves nothing by
		// itself: only the round that stall begins, with nothing under way, does.
		l.stalled = stalled
	case endImpossible:
		l.queue.running--
		l.withdraw(ctx, e.item.op.ID, e.err.Error())
	case endParked:
		l.queue.park(e.item)
		if op, ok := st.Operations.Get(e.item.op.ID); ok {
			e.item.op = op
			l.c.feed.send(planner.Progress{At: time.Now(), Operation: *op, Step: "waiting for its host", Message: e.err.Error()})
		}
	case endLost:
		l.queue.park(e.item)
		if ctx.Err() == nil {
			return fmt.Errorf("%w: %w", ErrNotLeader, e.err)
		}
	}
	return nil
}

func (l *loop) tell(op *state.Operation) {
	l.c.feed.send(planner.Progress{At: time.Now(), Operation: *op, Message: op.Error})
}

// drain waits until every worker has noticed that it is over.
func (l *loop) drain() {
	for l.queue.running > 0 {
		<-l.ended
		l.queue.running--
	}
}

// refusalOf returns the refusal in err, nil when there is none.
func refusalOf(err error) *state.Refusal {
	var refused *state.Refusal
	if errors.As(err, &refused) {
		return refused
	}
	return nil
}
