package clustertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// Network is the cable between all Ports.
type Network struct {
	mu      sync.Mutex
	ports   map[string]*Port
	cut     map[[2]string]bool // one way, from and to
	changed chan struct{}      // closed and replaced when a cable is cut or mended
	delay   func(from, to string) time.Duration
}

// New lays out a network without a delay.
func New() *Network {
	return &Network{ports: map[string]*Port{}, cut: map[[2]string]bool{}, changed: make(chan struct{})}
}

// Delay sets how long bytes take from one address to another; nil: no time. It is called with every write.
func (n *Network) Delay(delay func(from, to string) time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay = delay
}

// Cut lets nothing pass any more from one address to the other. The way back is another cut.
func (n *Network) Cut(from, to string) { n.set(func() { n.cut[[2]string{from, to}] = true }) }

// Mend undoes Cut.
func (n *Network) Mend(from, to string) { n.set(func() { delete(n.cut, [2]string{from, to}) }) }

// Isolate cuts an address off from all others, both ways. It still reaches itself.
func (n *Network) Isolate(address string) {
	n.set(func() {
		for other := range n.ports {
			if other != address {
				n.cut[[2]string{address, other}], n.cut[[2]string{other, address}] = true, true
			}
		}
	})
}

// Heal mends everything.
func (n *Network) Heal() { n.set(func() { clear(n.cut) }) }

func (n *Network) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
	close(n.changed)
	n.changed = make(chan struct{})
}

// passes tells whether bytes get from one address to the other now, how long they take, and when that may
// have changed.
func (n *Network) passes(from, to string) (bool, time.Duration, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var delay time.Duration
	if n.delay != nil {
		delay = n.delay(from, to)
	}
	return !n.cut[[2]string{from, to}], delay, n.changed
}

// Port is where one member is connected. It implements cluster.Network.
type Port struct {
	network *Network
	address string
	mu      sync.Mutex
	closed  bool
	accept  map[string]*listener // by protocol
	conns   map[*conn]struct{}
}

// Port connects an address, in place of a closed Port of that address.
func (n *Network) Port(address string) *Port {
	p := &Port{network: n, address: address, accept: map[string]*listener{}, conns: map[*conn]struct{}{}}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ports[address] = p
	return p
}

// Address is the port's own.
func (p *Port) Address() string { return p.address }

// Listen takes connections that speak a protocol.
func (p *Port) Listen(protocol string) net.Listener {
	l := &listener{port: p, protocol: protocol, queue: make(chan net.Conn), closed: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accept[protocol] = l
	return l
}

// Dial connects to another port, or to this one.
func (p *Port) Dial(ctx context.Context, address, protocol string) (net.Conn, error) {
	for {
		there, delay, changed := p.network.passes(p.address, address)
		back, delayBack, _ := p.network.passes(address, p.address)
		if there && back {
			if err := sleep(ctx, delay+delayBack); err != nil {
				return nil, p.dialError(address, err)
			}
			return p.connect(ctx, address, protocol)
		}
		select {
		case <-ctx.Done():
			return nil, p.dialError(address, ctx.Err())
		case <-changed:
		}
	}
}

func (p *Port) connect(ctx context.Context, address, protocol string) (net.Conn, error) {
	p.network.mu.Lock()
	other := p.network.ports[address]
	p.network.mu.Unlock()
	l := other.listener(protocol)
	if l == nil {
		return nil, p.dialError(address, syscall.ECONNREFUSED)
	}
	near, far := pair(p, other)
	select {
	case l.queue <- far:
		return near, nil
	case <-l.closed:
		return nil, errors.Join(p.dialError(address, syscall.ECONNREFUSED), near.Close(), far.Close())
	case <-ctx.Done():
		return nil, errors.Join(p.dialError(address, ctx.Err()), near.Close(), far.Close())
	}
}

func (p *Port) dialError(address string, err error) error {
	return &net.OpError{Op: "dial", Net: "memory", Addr: addr(address), Err: err}
}

// listener returns who takes a protocol there; nil for nobody.
func (p *Port) listener(protocol string) *listener {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	return p.accept[protocol]
}

// Close ends all listeners and connections, as the death of a process does.
func (p *Port) Close() error {
	p.mu.Lock()
	p.closed = true
	listeners, conns := p.accept, p.conns
	p.accept, p.conns = map[string]*listener{}, map[*conn]struct{}{}
	p.mu.Unlock()
	var errs []error
	for _, l := range listeners {
		errs = append(errs, l.Close())
	}
	for c := range conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

type listener struct {
	port     *Port
	protocol string
	queue    chan net.Conn
	once     sync.Once
	closed   chan struct{}
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, fmt.Errorf("accept %s: %w", l.protocol, net.ErrClosed)
	}
}

// Close ends Accept.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is the port's.
func (l *listener) Addr() net.Addr { return addr(l.port.address) }

type addr string

// Network is not one that the system knows.
func (addr) Network() string { return "memory" }

// String is the address.
func (a addr) String() string { return string(a) }

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
