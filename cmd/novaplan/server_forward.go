package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/novaplan/novaplan/cluster/api"
)

// Waits for a leader. An election takes half a second on a LAN; requests that come in the meantime wait for it
// instead of failing.
const (
	leaderWait  = 5 * time.Second
	leaderPause = 25 * time.Millisecond
)

// protocolAPI is the API as members call each other's, to pass requests on.
const protocolAPI = "novaplan-api/1"

// forward passes requests on to whoever leads. A leader that can't be reached has got nothing of a request, so that
// waits for the next one; once something was sent, nothing is sent twice.
type forward struct {
	*http.Transport
	leader func() string // address; "": nobody is known to lead
}

// unreached is a member that couldn't be connected to.
type unreached struct{ error }

// Unwrap returns why.
func (u *unreached) Unwrap() error { return u.error }

func newForward(dial func(ctx context.Context, address, protocol string) (net.Conn, error), leader func() string) *forward {
	return &forward{leader: leader, Transport: &http.Transport{
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			c, err := dial(ctx, address, protocolAPI)
			if err != nil {
				return nil, &unreached{err}
			}
			return c, nil
		},
	}}
}

// RoundTrip sends a request to the leader of the moment.
func (f *forward) RoundTrip(r *http.Request) (*http.Response, error) {
	until := time.Now().Add(leaderWait)
	for {
		next := r.Clone(r.Context())
		if r.Body != nil {
			next.Body = io.NopCloser(r.Body) // a failed attempt would close it
		}
		next.URL.Host = f.leader()
		if next.URL.Host == "" {
			next.URL.Host = r.URL.Host
		}
		resp, err := f.Transport.RoundTrip(next)
		var gone *unreached
		if err == nil || !errors.As(err, &gone) || time.Now().After(until) {
			return resp, err
		}
		if pause(r.Context(), leaderPause) != nil {
			return nil, err
		}
	}
}

// awaitLeader returns when somebody is known to lead, and after a while in any case.
func (s *server) awaitLeader(ctx context.Context) {
	until := time.Now().Add(leaderWait)
	for {
		if _, address := s.node.Leader(); address != "" || time.Now().After(until) || pause(ctx, leaderPause) != nil {
			return
		}
	}
}

// awaitAPI returns the API; nil when the cluster hasn't begun, after a while.
func (s *server) awaitAPI(ctx context.Context, w *web) *api.Handler {
	until := time.Now().Add(leaderWait)
	for {
		if h := w.handler.Load(); h != nil || time.Now().After(until) || pause(ctx, leaderPause) != nil {
			return h
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
