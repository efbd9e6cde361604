package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
)

// work is a plan that is being carried out, followed from a goroutine of its own.
type work struct {
	job    *applying
	show   reporter
	cancel context.CancelFunc
	done   chan struct{}
	out    outcome
	err    error
}

// finished is closed when the work is over; nil, which never is, when there is none.
func (w *work) finished() <-chan struct{} {
	if w == nil {
		return nil
	}
	return w.done
}

// leave stops following. What was begun goes on: it is the controller's.
func (w *work) leave() {
	w.cancel()
	<-w.done
}

// carryOut approves a plan and follows it. What was followed before is part of it: the new plan was made with what
// runs in view, and takes the place of what doesn't yet.
func (w *watching) carryOut(p *planned) {
	if w.work != nil {
		w.work.leave()
		w.work = nil
	} else {
		clear(w.lines.begun)
		clear(w.lines.started)
	}
	w.withdraw(w.base)
	ctx, cancel := context.WithCancel(w.base)
	job := &applying{c: w.c, p: p, flags: &applyFlags{message: w.message()}, command: "watch"}
	job.flags.output = "text"
	w.lines.words = wordsOf(p.plan)
	w.work = &work{job: job, show: w.lines, cancel: cancel, done: make(chan struct{})}
	go w.work.follow(ctx)
}

// message is what the history shows of what a save caused.
func (w *watching) message() string { return "saved in " + w.folderName() }

// busyWait is how long an apply that is in the way is waited for at a time. The one that was left ends at once.
const busyWait = 20 * time.Millisecond

func (w *work) follow(ctx context.Context) {
	defer close(w.done)
	request := w.job.request()
	for {
		w.err = w.job.p.session.Apply(ctx, request, func(e wire.Event) error {
			switch e.Type {
			case wire.EventStale:
				w.out.stale = e.Plan
			case wire.EventSettled:
				w.out.result = e.Result
			}
			return w.show.event(e)
		})
		var failed *wire.Error
		if !errors.As(w.err, &failed) || failed.Code != api.CodeBusy {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(busyWait):
		}
	}
	if w.err == nil && w.out.stale == nil && w.out.result == nil {
		w.err = errors.New("the controller went away before the work was done")
	}
}

// settled takes in how the work ended.
func (w *watching) settled(ctx context.Context, interrupted bool) {
	work := w.work
	w.work = nil
	work.out.interrupted = interrupted
	switch {
	case work.err != nil:
		if !interrupted {
			w.trouble(work.err)
		}
	case work.out.stale != nil:
		if !interrupted {
			w.c.note("The fleet changed meanwhile, and nothing was done yet. This is the plan now:")
			w.stale(work)
		}
	default:
		w.concluded(ctx, work)
	}
}

// stale considers the plan as it is now.
func (w *watching) stale(work *work) {
	p := *work.job.p
	p.plan = work.out.stale
	w.consider(&p, false)
}

// concluded says what was done, clears up, and looks whether the fleet matches now.
func (w *watching) concluded(ctx context.Context, work *work) {
	r := work.out
	work.job.summarize(r)
	undone := len(r.result.Failed)+len(r.result.Left) > 0
	w.cutOff = r.interrupted && undone
	if r.interrupted {
		return
	}
	if local := w.session.local; local != nil {
		if err := local.Housekeeping(ctx); err != nil && ctx.Err() == nil {
			w.c.note("Warning: clearing up: %v", err)
		}
	}
	if !undone {
		w.retry.reset()
		if p := work.job.p.plan; p.Empty() && r.result.Done == 0 {
			return // nothing was done, so there is nothing to look after
		}
	} else {
		w.retry.failed()
	}
	w.plan(ctx, true)
}

// backoff spaces the tries after something went wrong.
type backoff struct {
	timer *time.Timer
	next  time.Duration
	fails int
}

// The first and the longest wait before something is tried again.
const (
	firstRetry   = 5 * time.Second
	longestRetry = 5 * time.Minute
)

func newBackoff() *backoff {
	b := &backoff{timer: time.NewTimer(time.Hour), next: firstRetry}
	b.timer.Stop()
	return b
}

func (b *backoff) reset() {
	b.timer.Stop()
	b.next, b.fails = firstRetry, 0
}

func (b *backoff) failed() { b.fails++ }

// waits reports whether the last try failed, so that the next one has to wait.
func (b *backoff) waits() bool { return b.fails > 0 }

// later sets the next try and returns when it is.
func (b *backoff) later() time.Duration {
	wait := b.next
	b.timer.Reset(wait)
	b.next = min(2*b.next, longestRetry)
	b.fails = 0
	return wait
}

// stamped writes the time before each message.
type stamped struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *stamped) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := bytes.TrimLeft(p, "\n")
	if _, err := fmt.Fprintf(s.w, "%s%s %s", p[:len(p)-len(text)], time.Now().Format("15:04:05"), text); err != nil {
		return 0, err
	}
	return len(p), nil
}
