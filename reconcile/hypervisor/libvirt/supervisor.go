package libvirt

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// retryAfter is how old the last failed dial must be for a call to have it tried again at once instead
// of being told the old failure.
const retryAfter = time.Second

// stable is how long a session must have lived for its end not to count as a failed dial.
const stable = time.Second

var errClosed = errors.New("the driver's host is closed")

// supervisor keeps one session to a host: it dials, watches, and dials again.
type supervisor struct {
	endpoint Endpoint
	opts     Options
	onUp     func(s *session, again bool) // runs whenever a session has been opened

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	live    *session // nil while there is none
	err     error    // why there is none
	dialing bool
	tried   time.Time     // end of the last dial
	changed chan struct{} // closed and replaced whenever live, err or dialing change
	kick    chan struct{} // cuts a backoff short
}

func startSupervisor(e Endpoint, opts Options, onUp func(*session, bool)) *supervisor {
	ctx, cancel := context.WithCancel(context.Background())
	s := &supervisor{
		endpoint: e, opts: opts, onUp: onUp,
		ctx: ctx, cancel: cancel, done: make(chan struct{}),
		dialing: true, changed: make(chan struct{}), kick: make(chan struct{}, 1),
	}
	go s.loop()
	return s
}

// close ends the session and the redialling.
func (s *supervisor) close() {
	s.cancel()
	<-s.done
}

// session returns the live session. While one is being opened it waits for that; after a failed dial
// it fails with the cause, unless that is old enough to try again.
func (s *supervisor) session(ctx context.Context) (*session, error) {
	for {
		s.mu.Lock()
		live, err, changed := s.live, s.err, s.changed
		waiting := s.dialing || time.Since(s.tried) < retryAfter
		if live == nil && !waiting {
			// The wait below is for the loop to begin the dial, then for it to end.
			s.dialing = true
			select {
			case s.kick <- struct{}{}:
			default:
			}
		}
		dialing := s.dialing
		s.mu.Unlock()
		if live != nil && live.conn.ended() == nil {
			return live, nil
		}
		if live == nil && !dialing {
			return nil, &notSentError{err}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, &notSentError{&dialError{"no answer yet: the host is down, a firewall swallows the connection, or libvirtd hangs", ctx.Err()}}
		case <-s.ctx.Done():
			return nil, &notSentError{errClosed}
		}
	}
}

// set changes the state and wakes who waits for it.
func (s *supervisor) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *supervisor) loop() {
	defer close(s.done)
	again := false
	for failures := 0; s.ctx.Err() == nil; {
		s.set(func() { s.dialing = true })
		opened, err := openSession(s.ctx, s.endpoint, s.opts)
		if err != nil {
			failures++
			s.opts.Logger.Debug("dial failed", "uri_host", s.endpoint.Host, "attempt", failures, "error", err)
			s.set(func() { s.dialing, s.tried, s.err = false, time.Now(), err })
			s.pause(failures)
			continue
		}
		s.set(func() { s.dialing, s.live, s.err = false, opened, nil })
		began := time.Now()
		s.onUp(opened, again)
		again = true
		s.watch(opened)
		if time.Since(began) >= stable {
			failures = 0
			s.set(func() { s.live, s.err, s.dialing = nil, opened.conn.ended(), true })
			continue
		}
		// It lets us in and throws us out: don't hammer it.
		failures++
		s.set(func() { s.live, s.err, s.dialing, s.tried = nil, opened.conn.ended(), false, time.Now() })
		s.pause(failures)
	}
	s.set(func() { s.dialing, s.err = false, errClosed })
}

// pause waits before the next dial: longer after each failure, at random so that a hundred hosts behind
// one broken link don't come back at the same moment. A call that wants the host cuts it short.
func (s *supervisor) pause(failures int) {
	wait := s.opts.BackoffMin << min(failures-1, 16)
	wait = min(wait, s.opts.BackoffMax)
	wait = wait/2 + rand.N(wait/2+1)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.kick:
	case <-s.ctx.Done():
	}
}

// watch sends heartbeats over a session until it ends.
func (s *supervisor) watch(live *session) {
	ticker := time.NewTicker(s.opts.HeartbeatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-live.gone():
			return
		case <-s.ctx.Done():
			live.close(errClosed)
			return
		case <-ticker.C:
		case <-live.probe:
		}
		err := live.run(s.ctx, s.opts.HeartbeatTimeout, func(rpc *golibvirt.Libvirt) error {
			_, err := rpc.ConnectGetLibVersion()
			return err
		})
		var lost *lostError
		if errors.As(err, &lost) && s.ctx.Err() == nil {
			live.close(fmt.Errorf("libvirtd doesn't answer: %w", err))
		}
	}
}
