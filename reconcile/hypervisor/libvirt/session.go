package libvirt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// callSlots is how many calls may be under way on one connection. libvirtd takes five requests of a
// client at a time (max_client_requests) and stops reading beyond that; the fifth is the heartbeat's.
const callSlots = 4

// session is one connection to a libvirtd with RPC on it.
type session struct {
	conn  *guardedConn
	rpc   *golibvirt.Libvirt
	slots chan struct{}
	// probe asks for a heartbeat now, because a call has got no answer in time.
	probe chan struct{}
	// listening is set once the session's events have been asked for.
	listening atomic.Bool
}

// fixedConn hands the RPC library the connection that we opened.
type fixedConn struct{ net.Conn }

func (f fixedConn) Dial() (net.Conn, error) { return f.Conn, nil }

// openSession dials and logs in. ctx limits the opening only.
func openSession(ctx context.Context, e Endpoint, opts Options) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, opts.DialTimeout)
	defer cancel()
	raw, err := opts.Dial(ctx, e)
	if err != nil {
		return nil, err
	}
	conn := newGuardedConn(raw)
	rpc := golibvirt.NewWithDialer(fixedConn{conn})
	login := make(chan error, 1)
	go func() { login <- rpc.ConnectToURI(golibvirt.ConnectURI(e.Remote)) }()
	select {
	case err = <-login:
	case <-ctx.Done():
		conn.end(fmt.Errorf("no answer from libvirtd: %w", ctx.Err()))
		err = <-login // the closed socket ends it
	}
	close(conn.settled)
	if err != nil {
		cause := loginCause(conn, err)
		conn.Close()
		return nil, cause
	}
	return &session{
		conn:  conn,
		rpc:   rpc,
		slots: make(chan struct{}, callSlots),
		probe: make(chan struct{}, 1),
	}, nil
}

// loginCause prefers libvirt's own words, then why the connection ended.
func loginCause(conn *guardedConn, err error) error {
	var said golibvirt.Error
	if errors.As(err, &said) {
		if golibvirt.ErrorNumber(said.Code) == golibvirt.ErrAuthFailed || golibvirt.ErrorNumber(said.Code) == golibvirt.ErrRPC {
			return fmt.Errorf("libvirtd wants an authentication that is not supported here (SASL); use qemu+ssh or qemu+tls (%w)", err)
		}
		return err
	}
	if cause := conn.ended(); cause != nil && !errors.Is(cause, net.ErrClosed) {
		return cause
	}
	return err
}

// close ends the session and every call on it; cause is what they are told.
func (s *session) close(cause error) { s.conn.end(cause) }

// gone is closed when the session has ended.
func (s *session) gone() <-chan struct{} { return s.conn.gone }

// do runs fn, which makes one RPC call, and waits for at most limit. When the wait ends first, fn goes on
// in the background until the answer comes or the session ends: nothing can call a request back.
func (s *session) do(ctx context.Context, limit time.Duration, fn func(rpc *golibvirt.Libvirt) error) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer func() { <-s.slots }()
	return s.run(ctx, limit, fn)
}

// acquire waits for one of the connection's slots.
func (s *session) acquire(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &notSentError{ctx.Err()}
	case <-s.gone():
		return &notSentError{s.conn.ended()}
	}
}

// run is do without a slot, for the heartbeat.
func (s *session) run(ctx context.Context, limit time.Duration, fn func(rpc *golibvirt.Libvirt) error) error {
	if err := ctx.Err(); err != nil {
		return &notSentError{err}
	}
	if cause := s.conn.ended(); cause != nil {
		return &notSentError{cause}
	}
	done := make(chan error, 1)
	go func() { done <- fn(s.rpc) }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return s.classify(err)
	case <-ctx.Done():
		return &lostError{fmt.Errorf("no answer yet: %w", ctx.Err())}
	case <-timer.C:
		select {
		case s.probe <- struct{}{}:
		default:
		}
		return &lostError{fmt.Errorf("no answer within %s", limit)}
	}
}
