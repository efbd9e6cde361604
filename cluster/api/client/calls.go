package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// Identity says who answers.
func (c *Client) Identity(ctx context.Context) (wire.Identity, error) {
	var out wire.Identity
	err := c.call(ctx, http.MethodGet, "/v1/identity", nil, &out)
	return out, err
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

// Seal seals texts with the cluster's key.
func (c *Client) Seal(ctx context.Context, texts []string) ([]wire.SealedText, error) {
	var out wire.Sealed
	if err := c.call(ctx, http.MethodPost, "/v1/seal", wire.SealRequest{Texts: texts}, &out); err != nil {
		return nil, err
	}
	if len(out.Secrets) != len(texts) {
		return nil, fmt.Errorf("seal: %d secrets came back for %d texts", len(out.Secrets), len(texts))
	}
	return out.Secrets, nil
}

// History returns the newest events.
func (c *Client) History(ctx context.Context, limit int) (*wire.History, error) {
	out := new(wire.History)
	return out, c.call(ctx, http.MethodGet, "/v1/history?limit="+strconv.Itoa(limit), nil, out)
}

// Revisions returns those that are kept.
func (c *Client) Revisions(ctx context.Context) (*wire.Revisions, error) {
	out := new(wire.Revisions)
	return out, c.call(ctx, http.MethodGet, "/v1/revisions", nil, out)
}

// Diff returns what two revisions say differently.
func (c *Client) Diff(ctx context.Context, from, to uint64) (*wire.Difference, error) {
	out := new(wire.Difference)
	return out, c.call(ctx, http.MethodGet, fmt.Sprintf("/v1/revisions/%d/diff/%d", from, to), nil, out)
}

// PendingPlans returns the plans that wait for approval.
func (c *Client) PendingPlans(ctx context.Context) (*wire.PendingPlans, error) {
	out := new(wire.PendingPlans)
	return out, c.call(ctx, http.MethodGet, "/v1/plans", nil, out)
}

// DropPlan forgets a plan that waits.
func (c *Client) DropPlan(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/plans/"+url.PathEscape(id), nil, &struct{}{})
}

// Bootstrap makes the first token.
func (c *Client) Bootstrap(ctx context.Context) (*wire.NewToken, error) {
	out := new(wire.NewToken)
	return out, c.call(ctx, http.MethodPost, "/v1/tokens/bootstrap", nil, out)
}

// CreateToken makes a token.
func (c *Client) CreateToken(ctx context.Context, req wire.TokenRequest) (*wire.NewToken, error) {
	out := new(wire.NewToken)
	return out, c.call(ctx, http.MethodPost, "/v1/tokens", req, out)
}

// Tokens returns the tokens, without their secrets.
func (c *Client) Tokens(ctx context.Context) (*wire.Tokens, error) {
	out := new(wire.Tokens)
	return out, c.call(ctx, http.MethodGet, "/v1/tokens", nil, out)
}

// RevokeToken ends a token.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/tokens/"+url.PathEscape(id), nil, &struct{}{})
}

// Settings returns how the controllers behave.
func (c *Client) Settings(ctx context.Context) (*wire.Settings, error) {
	out := new(wire.Settings)
	return out, c.call(ctx, http.MethodGet, "/v1/settings", nil, out)
}

// SetSettings replaces the settings.
func (c *Client) SetSettings(ctx context.Context, s wire.Settings) error {
	return c.call(ctx, http.MethodPut, "/v1/settings", s, new(wire.Settings))
}

// Members returns the members of the cluster.
func (c *Client) Members(ctx context.Context) (*wire.Members, error) {
	out := new(wire.Members)
	return out, c.call(ctx, http.MethodGet, "/v1/members", nil, out)
}

// RemoveMember removes a member for good.
func (c *Client) RemoveMember(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/members/"+url.PathEscape(id), nil, &struct{}{})
}

// TransferLeadership hands leadership to a member, "" to whoever is best.
func (c *Client) TransferLeadership(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/v1/members/lead?id="+url.QueryEscape(id), nil, &struct{}{})
}

// SaveSnapshot copies an archive of the record to w.
func (c *Client) SaveSnapshot(ctx context.Context, w io.Writer) error {
	resp, err := c.do(ctx, http.MethodGet, "/v1/snapshot", nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	return err
}

// RestoreSnapshot replaces the record by an archive's.
func (c *Client) RestoreSnapshot(ctx context.Context, archive []byte) error {
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	for _, base := range c.bases.inTurn() {
		resp, err := c.once(ctx, base, http.MethodPut, "/v1/snapshot", archive, header)
		if err != nil && elsewhere(err) {
			continue
		}
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	return errors.New("no member takes the snapshot: none leads")
}

// Console connects to an instance's serial port. Closing the stream ends it.
func (c *Client) Console(ctx context.Context, address string, force bool) (io.ReadWriteCloser, error) {
	query := url.Values{"address": {address}}
	if force {
		query.Set("force", "true")
	}
	resp, err := c.do(ctx, http.MethodPost, "/v1/console?"+query.Encode(), nil, http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"novaplan-console/1"},
	})
	if err != nil {
		return nil, err
	}
	stream, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body.Close()
		return nil, errors.New("console: the connection can't be written to")
	}
	return stream, nil
}
