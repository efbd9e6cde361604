package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/api/client"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile"
)

// controller is a controller in this process with the API in front of it. The command speaks to it
// through a pipe, other commands through the socket beside the record, both in the same way.
type controller struct {
	*reconcile.Controller
	record   reconcile.Record
	identity wire.Identity
	pipe     *client.Pipe
	servers  []*http.Server
	closers  []func() error // in the order in which they must be called

	run     func(context.Context) error
	running sync.WaitGroup
	begin   sync.Once
	stop    context.CancelFunc
}

// newReader returns a controller over a replayed record: it plans and explains, and changes nothing.
func newReader(ctx context.Context, p place) (*controller, error) {
	st, err := cluster.ReadOnly(ctx, p.record())
	switch {
	case errors.Is(err, cluster.ErrNoRecord):
		st = p.beginning()
	case err != nil:
		return nil, err
	case st.Mode != p.mode():
		return nil, fmt.Errorf("%s: %w", p.record(), cluster.ErrMode)
	}
	w, err := openWorld(p, st.ClusterID, false)
	if err != nil {
		return nil, err
	}
	c := newController(reconcile.ReadOnly{At: st}, w, reconcile.Options{}, p)
	c.closers = append(c.closers, c.Controller.Close, w.close)
	c.serve(api.Ports{Planner: c.Controller, Inspector: c.Controller, Consoles: c.Controller, ReadOnly: whyReadOnly(p)})
	return c, nil
}

// beginning is the record that apply would begin with.
func (p place) beginning() state.State {
	st, _ := state.Apply(state.State{}, state.Entry{Index: 1, Term: 1, At: time.Now(), Command: state.Command{
		Bootstrap: &state.Bootstrap{ClusterID: uuid.NewString(), Fleet: p.fleet, Mode: p.mode(), Level: state.Level},
	}})
	return st
}

// whyReadOnly says why what is planned here could not be applied; empty when it could.
func whyReadOnly(p place) string {
	for dir := p.record(); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			if unix.Access(dir, unix.W_OK) != nil {
				return dir + " can't be written to"
			}
			return ""
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// newWriter opens the record for this process alone and returns a controller that can change things.
func newWriter(ctx context.Context, p place, begin cluster.Options, opts reconcile.Options) (*controller, error) {
	begin.Create, begin.Mode = true, p.mode()
	node, err := cluster.Open(ctx, p.record(), begin)
	if err != nil {
		return nil, err
	}
	w, err := openWorld(p, node.State().ClusterID, true)
	if err != nil {
		return nil, errors.Join(err, node.Close())
	}
	opts.Images = w.images
	c := newController(node, w, opts, p)
	c.run = c.Controller.Run
	c.closers = append(c.closers, c.Controller.Close, w.close, node.Close)
	handler := c.serve(api.Ports{Planner: c.Controller, Executor: c, Inspector: c.Controller, Consoles: c.Controller, Folder: p.folder})
	server, err := listen(p, handler)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	c.servers = append(c.servers, server)
	return c, nil
}

func newController(rec reconcile.Record, w *world, opts reconcile.Options, p place) *controller {
	opts.Log, opts.Sizes = slog.New(slog.DiscardHandler), w.sizes
	st := rec.State()
	return &controller{
		Controller: reconcile.New(rec, w.driver, opts), record: rec, pipe: client.NewPipe(),
		identity: wire.Identity{
			Version: version, PID: os.Getpid(), Command: p.command,
			Mode: string(st.Mode), Cluster: st.ClusterID, Fleet: st.Fleet,
			Secrets: st.Desired != nil && hasSecrets(st.Desired.Spec),
		},
	}
}

// serve answers the API on the pipe and returns the handler.
func (c *controller) serve(ports api.Ports) http.Handler {
	ports.Identity = c.identity
	handler := api.New(ports)
	server := &http.Server{Handler: handler, ConnContext: auth.InProcess}
	c.servers = append(c.servers, server)
	go func() { _ = server.Serve(c.pipe) }() // ends with close
	return handler
}

func (c *controller) session() *session {
	return &session{Client: client.New(c.pipe.Dial), identity: c.identity, local: c}
}

// Approve lets the loop begin with the first approval: what an earlier command left open isn't gone on
// with before somebody says so.
func (c *controller) Approve(ctx context.Context, a planner.Approval) (planner.Approved, error) {
	approved, err := c.Controller.Approve(ctx, a)
	if err == nil && !approved.Stale {
		c.begin.Do(func() {
			run, stop := context.WithCancel(context.Background())
			c.stop = stop
			c.running.Go(func() { _ = c.run(run) }) // Settle reports what it ends with
		})
	}
	return approved, err
}

// closeWait bounds how long requests of others may take to end.
const closeWait = time.Second

// close ends the loop, the API, the connections and the record, in this order.
func (c *controller) close() error {
	if c.stop != nil {
		c.stop()
		c.running.Wait()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	for _, s := range c.servers {
		if s.Shutdown(ctx) != nil {
			_ = s.Close()
		}
	}
	var errs []error
	for _, end := range c.closers {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}
