package libvirt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// guardedConn watches a connection for the RPC library, which tells callers neither why a connection
// ended nor whether a request left, and allocates whatever length a peer claims.
type guardedConn struct {
	net.Conn
	packets *replyFirst // what Read takes from

	// settled is closed when the login has ended. The RPC library writes a field unguarded at the end of a
	// login that it reads when the connection ends, so the news of an end is held back until then.
	settled chan struct{}

	gone  chan struct{} // closed when the connection has ended, for whatever reason
	mu    sync.Mutex
	cause error // why; valid once gone is closed
}

func newGuardedConn(conn net.Conn) *guardedConn {
	checked := bufio.NewReaderSize(&frameReader{r: conn}, readAhead)
	return &guardedConn{Conn: conn, packets: newReplyFirst(checked), settled: make(chan struct{}), gone: make(chan struct{})}
}

// readAhead is how many bytes are taken from the network at once, at most.
const readAhead = 64 << 10

// notSentError marks a request of which at least the last byte never left, so that libvirtd, which
// waits for whole packets, can't act on it.
type notSentError struct{ err error }

func (e *notSentError) Error() string { return e.err.Error() }
func (e *notSentError) Unwrap() error { return e.err }

func (c *guardedConn) Read(p []byte) (int, error) {
	n, err := c.packets.Read(p)
	if err != nil {
		c.end(err)
		c.awaitSettled()
		return 0, err
	}
	return n, nil
}

// loginGrace is more than the library needs after the last answer of a login. When it passes, the login
// waits for an answer that will never come, and must hear so.
const loginGrace = 100 * time.Millisecond

func (c *guardedConn) awaitSettled() {
	timer := time.NewTimer(loginGrace)
	defer timer.Stop()
	select {
	case <-c.settled:
	case <-timer.C:
	}
}

func (c *guardedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		c.end(err)
		return n, &notSentError{err}
	}
	return n, nil
}

// Close ends the connection and every call on it.
func (c *guardedConn) Close() error {
	c.end(net.ErrClosed)
	return nil
}

// end closes the connection; the first cause is kept.
func (c *guardedConn) end(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	c.cause = cause
	close(c.gone)
	c.Conn.Close()
}

// ended returns why the connection ended, or nil while it lives.
func (c *guardedConn) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

const (
	packetHeader = 28       // bytes, length word included
	packetMax    = 64 << 20 // bytes; libvirt's own limit is 32 MiB and a little
)

var errNotLibvirt = errors.New("what answers there is not libvirtd")

// frameReader reads a connection and fails when it isn't packets that come.
type frameReader struct {
	r      io.Reader
	frames frameGuard
}

func (f *frameReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if wrong := f.frames.check(p[:n]); wrong != nil {
		return 0, wrong
	}
	return n, err
}

// frameGuard checks the length word of each packet in a stream of bytes that comes in any pieces. A peer
// that isn't libvirtd (a web server, an ssh port) fails at its first four bytes.
type frameGuard struct {
	word [4]byte
	have int   // bytes of word
	left int64 // bytes of the current packet still to come
}

func (g *frameGuard) check(p []byte) error {
	for len(p) > 0 {
		if g.left > 0 {
			skip := min(g.left, int64(len(p)))
			g.left -= skip
			p = p[skip:]
			continue
		}
		n := copy(g.word[g.have:], p)
		g.have += n
		p = p[n:]
		if g.have < len(g.word) {
			return nil
		}
		size := binary.BigEndian.Uint32(g.word[:])
		if size < packetHeader || size > packetMax {
			return fmt.Errorf("%w: it sent a packet of %d bytes (%q)", errNotLibvirt, size, g.word[:])
		}
		g.have, g.left = 0, int64(size)-int64(len(g.word))
	}
	return nil
}
