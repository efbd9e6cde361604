package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/spec"
)

// ConsoleProtocol is the Upgrade token of a console connection.
const ConsoleProtocol = "novaplan-console/1"

// console turns the connection into the serial port's byte stream.
func (h *Handler) console(w http.ResponseWriter, r *http.Request) {
	address, err := spec.ParseAddress(r.URL.Query().Get("address"))
	if err != nil {
		fail(w, &wire.Error{Code: CodeInvalid, Message: err.Error()})
		return
	}
	if h.Consoles == nil {
		fail(w, h.readOnly())
		return
	}
	if _, ok := h.Planner.State().Instances.Get(string(address)); !ok {
		fail(w, &wire.Error{Code: CodeNotFound, Message: fmt.Sprintf("%s runs nowhere; novaplan status lists what does", address)})
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		fail(w, fmt.Errorf("console: %w", err))
		return
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", ConsoleProtocol); err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	err = h.Consoles.Console(ctx, address, &consoleStream{conn, buffered.Reader, cancel}, r.URL.Query().Get("force") == "true")
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
