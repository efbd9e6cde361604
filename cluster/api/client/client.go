// Package client speaks to the API of a controller, over any connection: a socket beside the spec, a
// network, or a pipe to the controller in the same process.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// Client calls one controller, which may have several addresses. It is safe for concurrent use.
type Client struct {
	http   *http.Client
	bases  *bases
	token  string
	remote bool
}

// New returns a client of the controller that dial connects to.
func New(dial func(ctx context.Context) (net.Conn, error)) *Client {
	return &Client{
		http: &http.Client{Transport: &http.Transport{
			DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
			WriteBufferSize: 64 << 10,
			ReadBufferSize:  64 << 10,
		}},
		bases: newBases("http://novaplan"),
	}
}

// Unix returns a client of the controller behind a unix socket.
func Unix(path string) *Client {
	return New(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	})
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call sends in and decodes the answer into out.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.do(ctx, method, path, in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("answer to %s: %w", path, err)
	}
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
	return nil
}

// do returns a successful response; the caller closes its body. Of several addresses the one that answered last comes first;
// the next one is tried when nothing was heard, or when the one asked knows no leader.
func (c *Client) do(ctx context.Context, method, path string, in any, header http.Header) (*http.Response, error) {
	var data []byte
	if in != nil {
		var err error
		if data, err = json.Marshal(in); err != nil {
			return nil, fmt.Errorf("request to %s: %w", path, err)
		}
	}
	var failed error
	for _, base := range c.bases.inTurn() {
		resp, err := c.once(ctx, base, method, path, data, header)
		switch {
		case err == nil:
			c.bases.answered(base)
			return resp, nil
		case ctx.Err() != nil, !elsewhere(err):
			return nil, err
		}
		failed = errors.Join(failed, c.named(base, err))
	}
	return nil, plainer(failed)
}

// once asks one address.
func (c *Client) once(ctx context.Context, base, method, path string, data []byte, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if len(data) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &unheard{plain(err)}
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		return nil, errorOf(resp)
	}
	return resp, nil
}

// unheard is a request that got no answer: it may have been carried out or not.
type unheard struct{ err error }

func (u *unheard) Error() string { return u.err.Error() }
func (u *unheard) Unwrap() error { return u.err }

// Codes of package api.
const (
	codeNoLeader    = "no-leader"
	codeUnavailable = "unavailable"
)

// elsewhere reports whether another member may answer what this one didn't.
func elsewhere(err error) bool {
	var silent *unheard
	var e *wire.Error
	return errors.As(err, &silent) || errors.As(err, &e) && (e.Code == codeNoLeader || e.Code == codeUnavailable)
}

// named says which of several addresses an error is of.
func (c *Client) named(base string, err error) error {
	var e *wire.Error
	if errors.As(err, &e) || !c.remote {
		return err
	}
	return fmt.Errorf("%s: %w", strings.TrimPrefix(base, "https://"), err)
}

// plainer takes the only error out of a list, so that its details are seen.
func plainer(err error) error {
	var e *wire.Error
	if errors.As(err, &e) {
		return e
	}
	return err
}

func errorOf(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<20)) // a stale plan may come with it
	p := new(wire.Problem)
	if err := json.Unmarshal(data, p); err == nil && p.Code != "" {
		if p.Plan != nil {
			return p
		}
		return p.Err()
	}
	return fmt.Errorf("the controller answered %s: %.500s", resp.Status, bytes.TrimSpace(data))
}

// plain takes the made-up URL off an error.
func plain(err error) error {
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
