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

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// Client calls one controller. It is safe for concurrent use.
type Client struct {
	http *http.Client
	base string
}

// New returns a client of the controller that dial connects to.
func New(dial func(ctx context.Context) (net.Conn, error)) *Client {
	return &Client{
		http: &http.Client{Transport: &http.Transport{
			DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
			WriteBufferSize: 64 << 10,
			ReadBufferSize:  64 << 10,
		}},
		base: "http://novaplan",
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

// Identity says who answers.
func (c *Client) Identity(ctx context.Context) (wire.Identity, error) {
	var out wire.Identity
	return out, c.call(ctx, http.MethodGet, "/v1/identity", nil, &out)
}

// Plan asks what would be done.
func (c *Client) Plan(ctx context.Context, req wire.PlanRequest) (*wire.Plan, error) {
	out := new(wire.Plan)
	return out, c.call(ctx, http.MethodPost, "/v1/plan", req, out)
}

// Status asks what is there.
func (c *Client) Status(ctx context.Context, req wire.StatusRequest) (*wire.Status, error) {
	out := new(wire.Status)
	return out, c.call(ctx, http.MethodPost, "/v1/status", req, out)
}

// Explain asks why an instance is where it is.
func (c *Client) Explain(ctx context.Context, req wire.ExplainRequest) (*wire.Explanation, error) {
	out := new(wire.Explanation)
	return out, c.call(ctx, http.MethodPost, "/v1/explain", req, out)
}

// Doctor asks for all checks.
func (c *Client) Doctor(ctx context.Context, req wire.DoctorRequest) (*wire.Report, error) {
	out := new(wire.Report)
	return out, c.call(ctx, http.MethodPost, "/v1/doctor", req, out)
}

// Takeover rebuilds the record from the hosts and returns what is there then.
func (c *Client) Takeover(ctx context.Context, req wire.TakeoverRequest) (*wire.Status, error) {
	out := new(wire.Status)
	return out, c.call(ctx, http.MethodPost, "/v1/takeover", req, out)
}

// Cancel stops the work that is under way.
func (c *Client) Cancel(ctx context.Context, req wire.CancelRequest) error {
	return c.call(ctx, http.MethodPost, "/v1/cancel", req, &struct{}{})
}

// Apply approves a plan and calls each with every event until the last one, EventSettled or EventStale.
// An error of each ends it early; the work goes on.
func (c *Client) Apply(ctx context.Context, req wire.ApplyRequest, each func(wire.Event) error) error {
	return c.stream(ctx, http.MethodPost, "/v1/apply", req, each)
}

// Events calls each with whatever happens until ctx or the controller ends.
func (c *Client) Events(ctx context.Context, each func(wire.Event) error) error {
	return c.stream(ctx, http.MethodGet, "/v1/events", nil, each)
}

// Console connects to an instance's serial port. Closing the stream ends it.
func (c *Client) Console(ctx context.Context, address string, force bool) (io.ReadWriteCloser, error) {
	query := url.Values{"address": {address}}
	if force {
		query.Set("force", "true")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/v1/console?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "novaplan-console/1")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, plain(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer resp.Body.Close()
		return nil, errorOf(resp)
	}
	stream, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		return nil, errors.New("console: the connection can't be written to")
	}
	return stream, nil
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.do(ctx, method, path, in)
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

func (c *Client) stream(ctx context.Context, method, path string, in any, each func(wire.Event) error) error {
	resp, err := c.do(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for {
		var e wire.Event
		err := dec.Decode(&e)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("events of %s: %w", path, plain(err))
		}
		if err := each(e); err != nil {
			return err
		}
	}
}

// do returns a successful response; the caller closes its body.
func (c *Client) do(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("request to %s: %w", path, err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, plain(err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		return nil, errorOf(resp)
	}
	return resp, nil
}

func errorOf(resp *http.Response) error {
	e := new(wire.Error)
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err := json.Unmarshal(data, e); err != nil || e.Message == "" {
		return fmt.Errorf("the controller answered %s: %s", resp.Status, bytes.TrimSpace(data))
	}
	return e
}

// plain takes the made-up URL off an error.
func plain(err error) error {
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
