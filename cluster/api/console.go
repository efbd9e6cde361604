package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// ConsoleProtocol is the Upgrade token of a console connection.
const ConsoleProtocol = "novaplan-console/1"

func (h *Handler) consoleRoutes() {
	register(h, operators(), huma.Operation{
		OperationID: "console", Method: http.MethodPost, Path: "/v1/console", Tags: []string{"look"},
		Summary:   "Connect to a serial port: after 101 the connection is its byte stream (" + ConsoleProtocol + ")",
		Responses: map[string]*huma.Response{"101": {Description: "The connection is the serial port now"}},
	}, h.console)
}

type consoleInput struct {
	Address string `query:"address" required:"true"`
	Force   bool   `query:"force" doc:"disconnect whoever is connected"`
}

// console turns the connection into the serial port's byte stream.
func (h *Handler) console(ctx context.Context, req *consoleInput) (*huma.StreamResponse, error) {
	address, err := spec.ParseAddress(req.Address)
	if err != nil {
		return nil, &wire.Error{Code: CodeInvalid, Message: err.Error()}
	}
	if h.Consoles == nil {
		return nil, h.readOnly()
	}
	if _, ok := h.Planner.State().Instances.Get(string(address)); !ok {
		return nil, &wire.Error{Code: CodeNotFound, Message: fmt.Sprintf("%s runs nowhere; novaplan status lists what does", address)}
	}
	h.note(ctx, state.Note{Kind: "console", Address: address, Message: "console opened"})
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		h.connect(ctx, w, address, req.Force)
	}}, nil
}

func (h *Handler) connect(ctx context.Context, w http.ResponseWriter, address spec.Address, force bool) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		fail(w, fmt.Errorf("console: %w", err), requestOf(ctx))
		return
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", ConsoleProtocol); err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	err = h.Consoles.Console(ctx, address, &consoleStream{conn, buffered.Reader, cancel}, force)
	if err != nil {
		_, _ = fmt.Fprintf(conn, "\r\nnovaplan: %v\r\n", err)
	}
}

// consoleStream ends the console when the client goes away.
type consoleStream struct {
	net.Conn
	buffered *bufio.Reader
	gone     context.CancelFunc
}

func (c *consoleStream) Read(p []byte) (int, error) {
	n, err := c.buffered.Read(p)
	if err != nil {
		c.gone()
	}
	return n, err
}

var _ io.ReadWriter = (*consoleStream)(nil)
