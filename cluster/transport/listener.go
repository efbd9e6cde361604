package transport

import (
	"context"
	"net"
	"sync"
)

// listener hands the connections of one protocol over.
type listener struct {
	port     *Port
	protocol string // "": the API
	conns    chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newListener(p *Port, protocol string) *listener {
	return &listener{port: p, protocol: protocol, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
	case <-l.port.ctx.Done():
	}
	return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
}

// deliver waits until somebody accepts the connection; false when nobody did.
func (l *listener) deliver(ctx context.Context, c net.Conn) bool {
	select {
	case l.conns <- c:
		return true
	case <-l.closed:
	case <-ctx.Done():
	}
	return false
}

// Close refuses further connections.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.port.mu.Lock()
		defer l.port.mu.Unlock()
		if l.port.members[l.protocol] == l {
			delete(l.port.members, l.protocol)
		}
	})
	return nil
}

// Addr is where the port listens.
func (l *listener) Addr() net.Addr { return l.port.socket.Addr() }
