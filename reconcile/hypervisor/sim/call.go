package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// conn is one caller's connection to a host. It implements hypervisor.Host.
type conn struct {
	world *World
	host  *host
	name  string
	local bool // on the host itself: nothing stands between
	// decided connections carry the further calls of a method whose fault is decided already.
	decided bool

	closing sync.Mutex
	closed  chan struct{}
	ending  []func() // what Close ends
}

var _ hypervisor.Host = (*conn)(nil)

// Close ends the connection; calls that wait on it have an unknown outcome.
func (c *conn) Close() error {
	c.closing.Lock()
	ending := c.ending
	c.ending = nil
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	c.closing.Unlock()
	for _, end := range ending {
		end()
	}
	return nil
}

// onClose runs end when the connection is closed, at once when it is already.
func (c *conn) onClose(end func()) {
	c.closing.Lock()
	defer c.closing.Unlock()
	select {
	case <-c.closed:
		go end()
	default:
		c.ending = append(c.ending, end)
	}
}

// none is the result of calls that only succeed or fail.
type none struct{}

// reply is what a call came to.
type reply[T any] struct {
	value T
	err   error
}

// call sends op to the host and waits for its answer. op runs as (part of) one turn, perhaps long
// after the caller has gone, so it may touch nothing of its caller's but what it captured by value.
func call[T any](ctx context.Context, c *conn, method string, op func(*turn) (T, error)) (T, error) {
	var zero T
	answers := make(chan reply[T], 1)
	sent := c.send(ctx, method, func(t *turn) {
		t.answer = 0
		value, err := op(t)
		delay := t.answer
		t.then(func() { answerLater(delay, func() { answers <- reply[T]{value, err} }) })
	})
	if sent.err != nil {
		return zero, sent.err
	}
	if sent.lost {
		return zero, c.unknown(method, "the answer was lost")
	}
	select {
	case r := <-answers:
		return r.value, c.checked(method, r.err)
	default:
	}
	select {
	case r := <-answers:
		return r.value, c.checked(method, r.err)
	case <-ctx.Done():
		return zero, c.unknown(method, ctx.Err().Error())
	case <-sent.cut:
		return zero, c.unknown(method, "the connection was lost")
	case <-c.closed:
		return zero, c.unknown(method, "the connection was closed")
	}
}

// checked names the host and method in err; a world that can't remember any more answers nothing.
func (c *conn) checked(method string, err error) error {
	c.world.mu.Lock()
	broken := c.world.broken
	c.world.mu.Unlock()
	switch {
	case broken != nil:
		return c.unknown(method, broken.Error())
	case err != nil:
		return fmt.Errorf("%s: %s: %w", c.name, method, err)
	}
	return nil
}

func (c *conn) unknown(method, why string) error {
	return fmt.Errorf("%s: %s: %w: %s", c.name, method, hypervisor.ErrUnknown, why)
}

// sent is what became of sending a call.
type sent struct {
	err  error           // not sent, or refused by a fault
	lost bool            // no answer will come
	cut  <-chan struct{} // closed when the connection breaks
}

// send admits a call and lets it travel to the host, where run takes effect now or later.
func (c *conn) send(ctx context.Context, method string, run func(*turn)) sent {
	var s sent
	c.world.turn(func(t *turn) {
		var f Fault
		f, s = c.admit(ctx, t, method)
		if s.err != nil || f.Kind == Drop {
			return
		}
		delay := t.w.scaled(t.w.opts.Latency)
		if f.Kind == Delay || f.Kind == Late {
			delay += f.After
		}
		c.host.arrive(t, t.now.Add(delay), c.local, run)
	})
	return s
}

// admit says whether a call can be sent at all and which fault befalls it.
func (c *conn) admit(ctx context.Context, t *turn, method string) (Fault, sent) {
	unreachable := func(why string) (Fault, sent) {
		return Fault{}, sent{err: fmt.Errorf("%s: %s: %w: %s", c.name, method, hypervisor.ErrUnreachable, why)}
	}
	select {
	case <-c.closed:
		return unreachable("the connection is closed")
	default:
	}
	switch {
	case ctx.Err() != nil:
		return unreachable(ctx.Err().Error())
	case t.w.closed:
		return unreachable("the simulation has ended")
	case t.w.broken != nil:
		return unreachable(t.w.broken.Error())
	case c.local:
		return Fault{}, sent{} // nothing can cut it
	case c.host.Condition == Down || c.host.Condition == Cut:
		return unreachable("no answer")
	case c.decided:
		return Fault{}, sent{cut: c.host.cut}
	}
	f := t.w.fault(c.name, method)
	s := sent{cut: c.host.cut, lost: f.Kind == Lose || f.Kind == Late || f.Kind == Drop}
	if f.Kind == Fail {
		s.err = fmt.Errorf("%s: %s: %w", c.name, method, f.failure())
	}
	return f, s
}

// arrive brings a call to the host's libvirtd at a time.
func (h *host) arrive(t *turn, at time.Time, local bool, run func(*turn)) {
	if at.After(t.now) {
		t.w.agenda.add(at, func(t *turn) { h.receive(local, run, t) })
		return
	}
	h.receive(local, run, t)
}

// receive runs a call, or queues it while libvirtd hangs. A host without power loses it.
func (h *host) receive(local bool, run func(*turn), t *turn) {
	switch {
	case h.Condition == Down && !local:
	case h.Condition == Hung && !local:
		h.queue = append(h.queue, run)
	default:
		run(t)
	}
}

// answerLater calls answer after d.
func answerLater(d time.Duration, answer func()) {
	if d <= 0 {
		answer()
		return
	}
	time.AfterFunc(d, answer)
}

// pause waits for d, or says why it could not.
func (c *conn) pause(ctx context.Context, method string, cut <-chan struct{}, d time.Duration) error {
	if d <= 0 {
		select {
		case <-cut:
			return c.unknown(method, "the connection was lost")
		default:
			return nil
		}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return c.unknown(method, ctx.Err().Error())
	case <-cut:
		return c.unknown(method, "the connection was lost")
	case <-c.closed:
		return c.unknown(method, "the connection was closed")
	}
}
