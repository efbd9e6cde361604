package sim

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// OpenConsole greets and then echoes, as a guest with a very simple mind. It may leave a goroutine
// in rw.Read until that returns.
func (c *conn) OpenConsole(ctx context.Context, uuid string, rw io.ReadWriter, force bool) error {
	const method = "OpenConsole"
	cut := c.cutSignal()
	taken, err := call(ctx, c, method, func(t *turn) (chan struct{}, error) {
		return c.host.takeConsole(uuid, force)
	})
	if err != nil {
		return err
	}
	defer c.leaveConsole(uuid, taken)
	if _, err := fmt.Fprintf(rw, "\r\nsimulated console of domain %s on %s\r\nlogin: ", uuid, c.name); err != nil {
		return fmt.Errorf("%s: %s: %w", c.name, method, err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(writerOnly{rw}, readerOnly{rw})
		ended <- err
	}()
	select {
	case err := <-ended:
		if err != nil && !errors.Is(err, io.ErrClosedPipe) {
			return fmt.Errorf("%s: %s: %w", c.name, method, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %s: %w", c.name, method, ctx.Err())
	case <-taken:
		return fmt.Errorf("%s: %s: %w: the guest ended, or another user took over", c.name, method, hypervisor.ErrState)
	case <-cut:
		return c.unknown(method, "the connection was lost")
	case <-c.closed:
		return nil
	}
}

// takeConsole gives the console to one user.
func (h *host) takeConsole(uuid string, force bool) (chan struct{}, error) {
	d, err := h.domain(uuid)
	if err != nil {
		return nil, err
	}
	if err := d.on(); err != nil {
		return nil, fmt.Errorf("domain %s: %w", d.Def.Name, err)
	}
	if h.consoles[uuid] != nil && !force {
		return nil, fmt.Errorf("domain %s: %w: its console is in use", d.Def.Name, hypervisor.ErrState)
	}
	h.hangUp(uuid)
	if h.consoles == nil {
		h.consoles = map[string]chan struct{}{}
	}
	h.consoles[uuid] = make(chan struct{})
	return h.consoles[uuid], nil
}

// hangUp ends the console's use.
func (h *host) hangUp(uuid string) {
	if user := h.consoles[uuid]; user != nil {
		delete(h.consoles, uuid)
		close(user)
	}
}

func (c *conn) leaveConsole(uuid string, mine chan struct{}) {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	if c.host.consoles[uuid] == mine {
		delete(c.host.consoles, uuid)
	}
}

// readerOnly and writerOnly hide what else rw can do, so that io.Copy only reads and writes.
type readerOnly struct{ io.Reader }
type writerOnly struct{ io.Writer }
