package client

import (
	"context"
	"io"
	"net/http"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// Operations returns what is under way and what ended lately.
func (c *Client) Operations(ctx context.Context) (*wire.Operations, error) {
	out := new(wire.Operations)
	return out, c.call(ctx, http.MethodGet, "/v1/operations", nil, out)
}

// Text copies what a path beside the API answers to w: metrics, readiness, and profiles on a server's own socket.
func (c *Client) Text(ctx context.Context, path string, w io.Writer) error {
	resp, err := c.do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	return err
}
