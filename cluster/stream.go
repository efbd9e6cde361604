package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// greeting begins every connection of raft. Raft itself only knows addresses; the greeting keeps one
// cluster's words from another's members, and an old member's from whoever has its address now.
type greeting struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Group string `json:"group"`
}

const maxGreeting = 1024

// stream is raft's view of the Network.
type stream struct {
	listener net.Listener
	network  Network
	timeout  time.Duration
	self     func() (id, group string)
	nameOf   func(address string) string // which member the configuration has at an address
	accepted chan net.Conn
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
	conns    connections
}

func newStream(network Network, timeout time.Duration, self func() (string, string), nameOf func(string) string) *stream {
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{
		listener: network.Listen(ProtocolRaft), network: network, timeout: timeout, self: self, nameOf: nameOf,
		accepted: make(chan net.Conn), ctx: ctx, cancel: cancel,
	}
	s.running.Go(s.listen)
	return s
}

// listen greets every incoming connection on its own, so that a slow one holds up no other.
func (s *stream) listen() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.running.Go(func() {
			tracked := s.conns.add(c)
			if tracked == nil {
				return
			}
			if err := s.welcome(tracked); err != nil {
				_ = tracked.Close()
				return
			}
			select {
			case s.accepted <- tracked:
			case <-s.ctx.Done():
				_ = tracked.Close()
			}
		})
	}
}

// welcome reads the greeting of an incoming connection and answers with one line, empty when all is well.
func (s *stream) welcome(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(s.timeout)); err != nil {
		return err
	}
	line, err := readLine(c)
	if err != nil {
		return err
	}
	var g greeting
	refusal := ""
	if err := json.Unmarshal(line, &g); err != nil {
		refusal = "not a greeting"
	} else if err := s.check(g, c); err != nil {
		refusal = err.Error()
	}
	if _, err := c.Write([]byte(refusal + "\n")); err != nil {
		return err
	}
	if refusal != "" {
		return errors.New(refusal)
	}
	return c.SetDeadline(time.Time{})
}

func (s *stream) check(g greeting, c net.Conn) error {
	id, group := s.self()
	switch {
	case g.To != id:
		return fmt.Errorf("this is member %q, not %q", id, g.To)
	case group == "":
		return fmt.Errorf("member %q has not joined a cluster yet", id)
	case g.Group != group:
		return fmt.Errorf("member %q is of another cluster", id)
	}
	return speaksFor(c, g.From)
}

// Accept returns the next connection that was greeted.
func (s *stream) Accept() (net.Conn, error) {
	select {
	case c := <-s.accepted:
		return c, nil
	case <-s.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Addr is this member's.
func (s *stream) Addr() net.Addr { return address(s.network.Address()) }

// Dial connects to another member and greets it.
func (s *stream) Dial(to raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	if timeout <= 0 || timeout > s.timeout {
		timeout = s.timeout
	}
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	c, err := s.network.Dial(ctx, string(to), ProtocolRaft)
	if err != nil {
		return nil, err
	}
	tracked := s.conns.add(c)
	if tracked == nil {
		return nil, net.ErrClosed
	}
	if err := s.greet(tracked, string(to), timeout); err != nil {
		return nil, errors.Join(fmt.Errorf("member at %s: %w", to, err), tracked.Close())
	}
	return tracked, nil
}

func (s *stream) greet(c net.Conn, to string, timeout time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	id, group := s.self()
	g := greeting{From: id, To: s.nameOf(to), Group: group}
	if err := speaksFor(c, g.To); err != nil {
		return err
	}
	data, err := json.Marshal(g)
	if err != nil {
		return err
	}
	if _, err := c.Write(append(data, '\n')); err != nil {
		return err
	}
	refusal, err := readLine(c)
	if err != nil {
		return err
	}
	if len(refusal) > 0 {
		return errors.New(string(refusal))
	}
	return c.SetDeadline(time.Time{})
}

// Close ends the listener and every connection.
func (s *stream) Close() error {
	s.cancel()
	err := s.listener.Close()
	s.conns.close()
	s.running.Wait()
	return err
}

// speaksFor checks the certificate at the other end of c, if c knows it.
func speaksFor(c net.Conn, id string) error {
	if t, ok := c.(*tracked); ok {
		c = t.Conn
	}
	p, ok := c.(interface{ Peer() string })
	if !ok || p.Peer() == "" || p.Peer() == id {
		return nil
	}
	return fmt.Errorf("the certificate there is of %q, not of member %q", p.Peer(), id)
}

// readLine reads up to a newline and not a byte further: what follows belongs to somebody else.
func readLine(r io.Reader) ([]byte, error) {
	var line bytes.Buffer
	one := make([]byte, 1)
	for line.Len() < maxGreeting {
		if _, err := io.ReadFull(r, one); err != nil {
			return nil, err
		}
		if one[0] == '\n' {
			return line.Bytes(), nil
		}
		line.WriteByte(one[0])
	}
	return nil, bufio.ErrTooLong
}

// address is a net.Addr as others dial it.
type address string

// Network names what the address is of.
func (address) Network() string { return "novaplan" }

// String is the address.
func (a address) String() string { return string(a) }

// connections are open ones, to be closed together.
type connections struct {
	mu     sync.Mutex
	closed bool
	open   map[*tracked]struct{}
}

// tracked is one of them.
type tracked struct {
	net.Conn
	of *connections
}

// add takes c in; nil when all are closed already, c too then.
func (cs *connections) add(c net.Conn) *tracked {
	t := &tracked{Conn: c, of: cs}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		_ = c.Close()
		return nil
	}
	if cs.open == nil {
		cs.open = map[*tracked]struct{}{}
	}
	cs.open[t] = struct{}{}
	return t
}

// Close closes the connection.
func (t *tracked) Close() error {
	t.of.mu.Lock()
	delete(t.of.open, t)
	t.of.mu.Unlock()
	return t.Conn.Close()
}

func (cs *connections) close() {
	cs.mu.Lock()
	cs.closed = true
	open := cs.open
	cs.open = nil
	cs.mu.Unlock()
	for t := range open {
		_ = t.Conn.Close()
	}
}
