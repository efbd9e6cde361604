package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/pki"
)

// Options of Listen. Zero fields have defaults.
type Options struct {
	Keeper    *pki.Keeper   // the member's certificate; nil: plain text, on loopback addresses only
	Advertise string        // how others reach this port, host:port; "": as it listens
	Log       *slog.Logger  // nil: none
	Handshake time.Duration // until a connection has said what it wants; 0: 10 s
	HalfOpen  int           // connections that haven't said what they want yet; 0: 512
	PerHost   int           // of these, from one address that isn't loopback; 0: 64
}

// The errors that callers decide on.
var (
	ErrPlain     = errors.New("only loopback addresses can do without TLS")
	ErrAdvertise = errors.New("others can't reach this address")
)

// Port is an open port. It is safe for concurrent use.
type Port struct {
	opts      Options
	socket    net.Listener
	advertise string
	gate      *gate
	api       *listener

	ctx     context.Context // ends with the port
	end     context.CancelFunc
	serving sync.WaitGroup

	mu      sync.Mutex
	members map[string]*listener
	stats   Stats
}

// Stats counts what came to the port since it was opened.
type Stats struct {
	Accepted uint64 // connections
	Failed   uint64 // of these, that never said what they want, or weren't let in
	Refused  uint64 // of these, that were closed at once because too many were half open
	HalfOpen int    // now
}

// Listen opens the port, host:port; port 0 is any free one. Errors: ErrPlain without a Keeper on an address
// that others reach; ErrAdvertise when nobody could dial what it would advertise.
func Listen(address string, opts Options) (*Port, error) {
	opts.fill()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address %s: %w", address, err)
	}
	if opts.Keeper == nil && !loopback(host) {
		return nil, fmt.Errorf("address %s: %w: give the server a certificate (novaplan tls), or let it listen on 127.0.0.1", address, ErrPlain)
	}
	socket, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &Port{opts: opts, socket: socket, members: map[string]*listener{}, gate: newGate(opts.HalfOpen, opts.PerHost)}
	if p.advertise, err = p.advertised(); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	p.ctx, p.end = context.WithCancel(context.Background())
	p.api = newListener(p, "")
	if opts.Keeper == nil {
		opts.Log.Warn("plain text: everybody on this machine can read and take part", "address", socket.Addr().String())
	}
	p.serving.Go(p.accept)
	return p, nil
}

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Handshake == 0 {
		o.Handshake = 10 * time.Second
	}
	if o.HalfOpen == 0 {
		o.HalfOpen = 512
	}
	if o.PerHost == 0 {
		o.PerHost = 64
	}
}

// advertised returns what others are told, with the port that was really opened.
func (p *Port) advertised() (string, error) {
	_, opened, _ := net.SplitHostPort(p.socket.Addr().String())
	address := p.opts.Advertise
	if address == "" {
		address = p.socket.Addr().String()
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("advertise %s: %w", address, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return "", fmt.Errorf("advertise %s: %w: name the address that other members dial", address, ErrAdvertise)
	}
	if port == "0" {
		port = opened
	}
	return net.JoinHostPort(host, port), nil
}

// loopback reports whether a host is this machine and nobody else reaches it.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Address is how others dial this port.
func (p *Port) Address() string { return p.advertise }

// Local is the address that the port listens at.
func (p *Port) Local() net.Addr { return p.socket.Addr() }

// API returns the connections that speak HTTP: *tls.Conn after the handshake, whose negotiated protocol says
// which version; or plain ones.
func (p *Port) API() net.Listener { return p.api }

// Listen returns the connections of members that speak a protocol. Connections that came before are
// refused. Closing the listener refuses the protocol again.
func (p *Port) Listen(protocol string) net.Listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := newListener(p, protocol)
	p.members[protocol] = l
	return l
}

func (p *Port) member(protocol string) *listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.members[protocol]
}

// Stats returns what was counted.
func (p *Port) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.HalfOpen = p.gate.inside()
	return s
}

func (p *Port) count(field func(*Stats) *uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*field(&p.stats)++
}

// Close closes the port and every connection that nobody has accepted. Those that were accepted are their
// users'.
func (p *Port) Close() error {
	p.end()
	err := p.socket.Close()
	p.serving.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
