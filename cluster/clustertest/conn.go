package clustertest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is one end of a connection: what it reads is what the other end has written and the cable has let through.
type conn struct {
	port  *Port
	other *conn

	mu       sync.Mutex
	arrived  []parcel      // written by the other end, oldest first
	wake     chan struct{} // closed and replaced when arrived, ended or deadline changes
	ended    error         // why nothing more comes behind what has arrived
	closed   bool          // by this end
	deadline time.Time     // of reads
}

// parcel is one write under way.
type parcel struct {
	data []byte
	due  time.Time
}

func pair(a, b *Port) (near, far *conn) {
	near, far = &conn{port: a, wake: make(chan struct{})}, &conn{port: b, wake: make(chan struct{})}
	near.other, far.other = far, near
	for _, c := range []*conn{near, far} {
		c.port.mu.Lock()
		c.port.conns[c] = struct{}{}
		c.port.mu.Unlock()
	}
	return near, far
}

// Read returns what has arrived.
func (c *conn) Read(p []byte) (int, error) {
	for {
		passes, _, mended := c.port.network.passes(c.other.port.address, c.port.address)
		n, wait, wake, err := c.take(p, passes)
		if n > 0 || err != nil {
			return n, err
		}
		if wait <= 0 {
			select {
			case <-wake:
			case <-mended:
			}
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-wake:
		case <-mended:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take takes what may be read now. When that is nothing, it says how long to wait (0: for wake only).
func (c *conn) take(p []byte, passes bool) (n int, wait time.Duration, wake <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.closed {
		return 0, 0, nil, net.ErrClosed
	}
	if !c.deadline.IsZero() {
		if wait = c.deadline.Sub(now); wait <= 0 {
			return 0, 0, nil, os.ErrDeadlineExceeded
		}
	}
	if !passes {
		return 0, wait, c.wake, nil
	}
	if len(c.arrived) == 0 {
		return 0, wait, c.wake, c.ended
	}
	first := &c.arrived[0]
	if left := first.due.Sub(now); left > 0 {
		if wait <= 0 || left < wait {
			wait = left
		}
		return 0, wait, c.wake, nil
	}
	n = copy(p, first.data)
	first.data = first.data[n:]
	if len(first.data) == 0 {
		c.arrived = c.arrived[1:]
	}
	return n, 0, nil, nil
}

// Write sends; it never waits, as if the system's buffer were endless.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	closed, ended := c.closed, c.ended
	c.mu.Unlock()
	if closed {
		return 0, net.ErrClosed
	}
	if ended != nil {
		return 0, syscall.EPIPE
	}
	if len(p) == 0 {
		return 0, nil
	}
	_, delay, _ := c.port.network.passes(c.port.address, c.other.port.address)
	c.other.change(func(o *conn) {
		due := time.Now().Add(delay)
		if last := len(o.arrived) - 1; last >= 0 && o.arrived[last].due.After(due) {
			due = o.arrived[last].due
		}
		o.arrived = append(o.arrived, parcel{data: append([]byte(nil), p...), due: due})
	})
	return len(p), nil
}

func (c *conn) change(do func(*conn)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do(c)
	close(c.wake)
	c.wake = make(chan struct{})
}

// Close ends both ends; what has arrived at the other can still be read there.
func (c *conn) Close() error {
	c.change(func(c *conn) { c.closed = true })
	c.other.change(func(o *conn) {
		if o.ended == nil {
			o.ended = io.EOF
		}
	})
	c.port.mu.Lock()
	defer c.port.mu.Unlock()
	delete(c.port.conns, c)
	return nil
}

// LocalAddr is this end's port.
func (c *conn) LocalAddr() net.Addr { return addr(c.port.address) }

// RemoteAddr is the other end's port.
func (c *conn) RemoteAddr() net.Addr { return addr(c.other.port.address) }

// SetDeadline is about reads: writes never wait.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline ends reads at t.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.change(func(c *conn) { c.deadline = t })
	return nil
}

// SetWriteDeadline has nothing to do.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }
