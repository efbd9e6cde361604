package operation

import (
	"context"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// Timed returns host with a deadline on each short call. Transfers, migrations, consoles and events
// have none: they end with their context, or when their connection does.
func Timed(host hypervisor.Host, times Times) hypervisor.Host {
	times = times.orDefault()
	return timed{Host: host, call: times.Call, slow: times.Slow}
}

type timed struct {
	hypervisor.Host
	call, slow time.Duration
}

// within runs f with a deadline.
func within[T any](ctx context.Context, d time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return f(ctx)
}

func (t timed) do(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return f(ctx)
}

func (t timed) HostInfo(ctx context.Context) (hypervisor.HostInfo, error) {
	return within(ctx, t.call, t.Host.HostInfo)
}

func (t timed) Networks(ctx context.Context) ([]hypervisor.Network, error) {
	return within(ctx, t.call, t.Host.Networks)
}

func (t timed) ListDomains(ctx context.Context) ([]hypervisor.Domain, error) {
	return within(ctx, t.call, t.Host.ListDomains)
}

func (t timed) GetDomain(ctx context.Context, uuid string) (hypervisor.Domain, error) {
	return within(ctx, t.call, func(ctx context.Context) (hypervisor.Domain, error) { return t.Host.GetDomain(ctx, uuid) })
}

func (t timed) DefineDomain(ctx context.Context, def hypervisor.Definition) error {
	return t.do(ctx, t.call, func(ctx context.Context) error { return t.Host.DefineDomain(ctx, def) })
}

func (t timed) SetStamp(ctx context.Context, uuid string, stamp hypervisor.Stamp) error {
	return t.do(ctx, t.call, func(ctx context.Context) error { return t.Host.SetStamp(ctx, uuid, stamp) })
}

func (t timed) StartDomain(ctx context.Context, uuid string) error {
	return t.do(ctx, t.call, func(ctx context.Context) error { return t.Host.StartDomain(ctx, uuid) })
}

func (t timed) ShutdownDomain(ctx context.Context, uuid string) error {
	return t.do(ctx, t.call, func(ctx context.Context) error { return t.Host.ShutdownDomain(ctx, uuid) })
}

func (t timed) DestroyDomain(ctx context.Context, uuid string) error {
	return t.do(ctx, t.call, func(ctx context.Context) error { return t.Host.DestroyDomain(ctx, uuid) })
}

func (t timed) PauseDomain(ctx context.Context, uuid string) error {
	return t.do(ctx, t.call, func(ctx context.Context) error { return t.Host.PauseDomain(ctx, uuid) })
}

func (t timed) ResumeDomain(ctx context.Context, uuid string) error {
	return t.do(ctx, t.call, func(ctx context.Context) error { return t.Host.ResumeDomain(ctx, uuid) })
}

func (t timed) SaveDomain(ctx context.Context, uuid string) error {
	return t.do(ctx, t.slow, func(ctx context.Context) error { return t.Host.SaveDomain(ctx, uuid) })
}

func (t timed) UndefineDomain(ctx context.Context, uuid string) error {
	return t.do(ctx, t.call, func(ctx context.Context) error { return t.Host.UndefineDomain(ctx, uuid) })
}

func (t timed) EnsurePool(ctx context.Context, pool hypervisor.Pool) (hypervisor.PoolInfo, error) {
	return within(ctx, t.call, func(ctx context.Context) (hypervisor.PoolInfo, error) { return t.Host.EnsurePool(ctx, pool) })
}

func (t timed) ListVolumes(ctx context.Context, pool hypervisor.Pool) ([]hypervisor.Volume, error) {
	return within(ctx, t.call, func(ctx context.Context) ([]hypervisor.Volume, error) { return t.Host.ListVolumes(ctx, pool) })
}

func (t timed) GetVolume(ctx context.Context, pool hypervisor.Pool, name string) (hypervisor.Volume, error) {
	return within(ctx, t.call, func(ctx context.Context) (hypervisor.Volume, error) { return t.Host.GetVolume(ctx, pool, name) })
}

func (t timed) CreateVolume(ctx context.Context, pool hypervisor.Pool, spec hypervisor.VolumeSpec) (hypervisor.Volume, error) {
	return within(ctx, t.call, func(ctx context.Context) (hypervisor.Volume, error) { return t.Host.CreateVolume(ctx, pool, spec) })
}

func (t timed) ResizeVolume(ctx context.Context, pool hypervisor.Pool, name string, bytes int64) error {
	return t.do(ctx, t.call, func(ctx context.Context) error { return t.Host.ResizeVolume(ctx, pool, name, bytes) })
}

func (t timed) DeleteVolume(ctx context.Context, pool hypervisor.Pool, name string) error {
	return t.do(ctx, t.call, func(ctx context.Context) error { return t.Host.DeleteVolume(ctx, pool, name) })
}

func (t timed) AbortMigration(ctx context.Context, uuid string) error {
	return t.do(ctx, t.call, func(ctx context.Context) error { return t.Host.AbortMigration(ctx, uuid) })
}

func (t timed) GetJob(ctx context.Context, uuid string) (hypervisor.Job, error) {
	return within(ctx, t.call, func(ctx context.Context) (hypervisor.Job, error) { return t.Host.GetJob(ctx, uuid) })
}

func (t timed) GetClaim(ctx context.Context) (hypervisor.Claim, error) {
	return within(ctx, t.call, t.Host.GetClaim)
}

func (t timed) SetClaim(ctx context.Context, claim hypervisor.Claim) error {
	return t.do(ctx, t.call, func(ctx context.Context) error { return t.Host.SetClaim(ctx, claim) })
}

func (t timed) ReleaseClaim(ctx context.Context, clusterID string) error {
	return t.do(ctx, t.call, func(ctx context.Context) error { return t.Host.ReleaseClaim(ctx, clusterID) })
}

// PeekPool passes on what drivers may offer beyond the port: the size of a pool that isn't made.
func (t timed) PeekPool(ctx context.Context, pool hypervisor.Pool) (hypervisor.PoolInfo, error) {
	peeker, ok := t.Host.(interface {
		PeekPool(context.Context, hypervisor.Pool) (hypervisor.PoolInfo, error)
	})
	if !ok {
		return t.EnsurePool(ctx, pool)
	}
	return within(ctx, t.call, func(ctx context.Context) (hypervisor.PoolInfo, error) { return peeker.PeekPool(ctx, pool) })
}
