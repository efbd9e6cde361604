package cluster

import (
	"context"
	"net"
	"sync"
	"testing"
)

// tcpPort is a Network over loopback TCP: the first line of a connection names its protocol.
type tcpPort struct {
	listener net.Listener
	mu       sync.Mutex
	accept   map[string]*tcpListener
	conns    connections
	running  sync.WaitGroup
}

// listenTCP opens a port; address may be that of an earlier one.
func listenTCP(t testing.TB, address string) *tcpPort {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &tcpPort{listener: l, accept: map[string]*tcpListener{}}
	p.running.Go(p.serve)
	t.Cleanup(func() { p.Close() })
	return p
}

func (p *tcpPort) serve() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() {
			tracked := p.conns.add(c)
			if tracked == nil {
				return
			}
			protocol, err := readLine(tracked)
			p.mu.Lock()
			l := p.accept[string(protocol)]
			p.mu.Unlock()
			if err != nil || l == nil {
				_ = tracked.Close()
				return
			}
			select {
			case l.queue <- tracked:
			case <-l.closed:
				_ = tracked.Close()
			}
		})
	}
}

// Address is where it listens.
func (p *tcpPort) Address() string { return p.listener.Addr().String() }

// Listen takes connections of a protocol.
func (p *tcpPort) Listen(protocol string) net.Listener {
	l := &tcpListener{Listener: p.listener, queue: make(chan net.Conn), closed: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accept[protocol] = l
	return l
}

// Dial connects.
func (p *tcpPort) Dial(ctx context.Context, address, protocol string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	tracked := p.conns.add(c)
	if tracked == nil {
		return nil, net.ErrClosed
	}
	if _, err := tracked.Write([]byte(protocol + "\n")); err != nil {
		_ = tracked.Close()
		return nil, err
	}
	return tracked, nil
}

// Close ends everything, as the death of the process would.
func (p *tcpPort) Close() {
	_ = p.listener.Close()
	p.conns.close()
	p.mu.Lock()
	for _, l := range p.accept {
		_ = l.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

type tcpListener struct {
	net.Listener
	queue  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// Accept waits for the next.
func (l *tcpListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *tcpListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}
