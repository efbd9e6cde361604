package simulation

import (
	"context"
	"fmt"
	"sync"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// gate is a driver that can be held: what a stopped member was about to send leaves when it goes on, whoever
// leads by then. Nobody takes back what is in a socket's buffer.
type gate struct {
	driver hypervisor.Driver

	mu   sync.Mutex
	open chan struct{} // closed while calls pass
	held int           // calls that were held and took their way later
}

func newGate(driver hypervisor.Driver) *gate {
	g := &gate{driver: driver, open: make(chan struct{})}
	close(g.open)
	return g
}

// Open opens a host behind the gate.
func (g *gate) Open(ctx context.Context, target hypervisor.Target) (hypervisor.Host, error) {
	h, err := g.driver.Open(ctx, target)
	if err != nil {
		return nil, err
	}
	return gated{Host: h, gate: g}, nil
}

// hold lets nothing pass until release.
func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		g.open = make(chan struct{})
	default:
	}
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

// pass runs a call, now or when the gate opens. A caller that doesn't wait leaves it on its way.
func pass[T any](ctx context.Context, g *gate, method string, call func(context.Context) (T, error)) (T, error) {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
		return call(ctx)
	default:
	}
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		<-open
		g.mu.Lock()
		g.held++
		g.mu.Unlock()
		v, err := call(context.WithoutCancel(ctx))
		answers <- answer{v, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("%s: %w: %w", method, hypervisor.ErrUnknown, ctx.Err())
	}
}

// do is pass for calls that only succeed or fail.
func (g *gate) do(ctx context.Context, method string, call func(context.Context) error) error {
	_, err := pass(ctx, g, method, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}

// late returns how many calls were held and took their way later.
func (g *gate) late() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

// gated is a host behind a gate. What only reads isn't held: its answer is not believed by anybody who left.
type gated struct {
	hypervisor.Host
	gate *gate
}

func (h gated) DefineDomain(ctx context.Context, def hypervisor.Definition) error {
	return h.gate.do(ctx, "DefineDomain", func(ctx context.Context) error { return h.Host.DefineDomain(ctx, def) })
}

func (h gated) SetStamp(ctx context.Context, uuid string, stamp hypervisor.Stamp) error {
	return h.gate.do(ctx, "SetStamp", func(ctx context.Context) error { return h.Host.SetStamp(ctx, uuid, stamp) })
}

func (h gated) StartDomain(ctx context.Context, uuid string) error {
	return h.gate.do(ctx, "StartDomain", func(ctx context.Context) error { return h.Host.StartDomain(ctx, uuid) })
}

func (h gated) ShutdownDomain(ctx context.Context, uuid string) error {
	return h.gate.do(ctx, "ShutdownDomain", func(ctx context.Context) error { return h.Host.ShutdownDomain(ctx, uuid) })
}

func (h gated) DestroyDomain(ctx context.Context, uuid string) error {
	return h.gate.do(ctx, "DestroyDomain", func(ctx context.Context) error { return h.Host.DestroyDomain(ctx, uuid) })
}

func (h gated) UndefineDomain(ctx context.Context, uuid string) error {
	return h.gate.do(ctx, "UndefineDomain", func(ctx context.Context) error { return h.Host.UndefineDomain(ctx, uuid) })
}

func (h gated) ResumeDomain(ctx context.Context, uuid string) error {
	return h.gate.do(ctx, "ResumeDomain", func(ctx context.Context) error { return h.Host.ResumeDomain(ctx, uuid) })
}

func (h gated) DeleteVolume(ctx context.Context, pool hypervisor.Pool, name string) error {
	return h.gate.do(ctx, "DeleteVolume", func(ctx context.Context) error { return h.Host.DeleteVolume(ctx, pool, name) })
}

func (h gated) CreateVolume(ctx context.Context, pool hypervisor.Pool, spec hypervisor.VolumeSpec) (hypervisor.Volume, error) {
	return pass(ctx, h.gate, "CreateVolume", func(ctx context.Context) (hypervisor.Volume, error) { return h.Host.CreateVolume(ctx, pool, spec) })
}

func (h gated) Migrate(ctx context.Context, uuid string, req hypervisor.MigrateRequest, progress func(hypervisor.Job)) error {
	return h.gate.do(ctx, "Migrate", func(ctx context.Context) error { return h.Host.Migrate(ctx, uuid, req, progress) })
}

func (h gated) SetClaim(ctx context.Context, claim hypervisor.Claim) error {
	return h.gate.do(ctx, "SetClaim", func(ctx context.Context) error { return h.Host.SetClaim(ctx, claim) })
}
