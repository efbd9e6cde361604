package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/cluster/api/client"
)

// TestForwardWaitsForTheNextLeader sends a request whose leader is gone: it arrives whole at the next one.
func TestForwardWaitsForTheNextLeader(t *testing.T) {
	pipe := client.NewPipe()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })}
	served := make(chan error)
	go func() { served <- server.Serve(pipe) }()
	defer func() { server.Close(); <-served }()

	leaders := []string{"", "alpha:1", "alpha:1", "beta:1"}
	leader := func() string {
		now := leaders[0]
		if len(leaders) > 1 {
			leaders = leaders[1:]
		}
		return now
	}
	var tried []string
	f := newForward(func(ctx context.Context, address, protocol string) (net.Conn, error) {
		tried = append(tried, address)
		if address != "beta:1" || protocol != protocolAPI {
			return nil, errors.New("connection refused")
		}
		return pipe.Dial(ctx)
	}, leader)
	defer f.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://old:1/v1/plan", strings.NewReader("the spec"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := f.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "the spec" {
		t.Errorf("%q, %v", body, err)
	}
	if got := strings.Join(tried, " "); got != "old:1 alpha:1 alpha:1 beta:1" {
		t.Errorf("tried %s", got)
	}
}
