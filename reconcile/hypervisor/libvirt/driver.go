package libvirt

import (
	"context"
	"fmt"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// Driver opens libvirt hosts.
type Driver struct {
	opts Options
}

// New returns a driver.
func New(opts Options) *Driver { return &Driver{opts: opts.withDefaults()} }

var _ hypervisor.Driver = (*Driver)(nil)

// Open implements hypervisor.Driver. It fails when a URI can't be parsed; the host is dialled in the background.
func (d *Driver) Open(_ context.Context, target hypervisor.Target) (hypervisor.Host, error) {
	endpoint, err := ParseURI(target.URI)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", target.Name, err)
	}
	if target.PeerURI != "" {
		if _, err := ParseURI(target.PeerURI); err != nil {
			return nil, fmt.Errorf("host %s: peer URI: %w", target.Name, err)
		}
	}
	switch target.VirtType {
	case "", "kvm", "qemu":
	default:
		return nil, fmt.Errorf("host %s: virtualisation type %q: want kvm or qemu", target.Name, target.VirtType)
	}
	h := &host{
		name:     target.Name,
		virtType: target.VirtType,
		endpoint: endpoint,
		opts:     d.opts,
		poolTurn: make(chan struct{}, 1),
		pools:    map[string]golibvirt.StoragePool{},
	}
	h.opts.Logger = h.opts.Logger.With("host", target.Name)
	h.background, h.stop = context.WithCancel(context.Background())
	h.events = newHub()
	h.supervisor = startSupervisor(endpoint, h.opts, h.onSession)
	return h, nil
}

// host is one libvirt host.
type host struct {
	name     string
	virtType string
	endpoint Endpoint
	opts     Options

	supervisor *supervisor
	events     *hub

	// background ends with Close; what outlives the call that began it hangs on it.
	background context.Context
	stop       context.CancelFunc

	asked jobQuestions

	poolTurn chan struct{} // holds a token while somebody looks for or defines a pool
	poolMu   sync.Mutex
	pools    map[string]golibvirt.StoragePool // known ones, by path
}

var _ hypervisor.Host = (*host)(nil)

// Close implements hypervisor.Host.
func (h *host) Close() error {
	h.stop()
	h.supervisor.close()
	h.events.close()
	return nil
}

// do runs one RPC call on the shared connection.
func (h *host) do(ctx context.Context, fn func(rpc *golibvirt.Libvirt) error) error {
	return h.doFor(ctx, h.opts.CallTimeout, fn)
}

func (h *host) doFor(ctx context.Context, limit time.Duration, fn func(rpc *golibvirt.Libvirt) error) error {
	s, err := h.supervisor.session(ctx)
	if err != nil {
		return err
	}
	return s.do(ctx, limit, fn)
}

// ask runs one RPC call that returns something. The answer is dropped when the wait ends before it comes.
func ask[T any](ctx context.Context, h *host, fn func(rpc *golibvirt.Libvirt) (T, error)) (T, error) {
	answer := make(chan T, 1)
	err := h.do(ctx, func(rpc *golibvirt.Libvirt) error {
		value, err := fn(rpc)
		answer <- value
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return <-answer, nil
}

// withSession runs fn, one long RPC call, on a connection of its own. The connection ends when fn returns; when
// ctx ends first, cut says whether the connection is cut then or fn is left to go on in the background.
func (h *host) withSession(ctx context.Context, cut bool, fn func(s *session) error) error {
	own, err := openSession(ctx, h.endpoint, h.opts)
	if err != nil {
		return &notSentError{err}
	}
	done := make(chan error, 1)
	stop := context.AfterFunc(h.background, func() { own.close(errClosed) })
	go func() {
		err := own.classify(fn(own))
		stop()
		own.close(errClosed)
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		if cut {
			own.close(ctx.Err())
		}
		return &lostError{ctx.Err()}
	}
}
