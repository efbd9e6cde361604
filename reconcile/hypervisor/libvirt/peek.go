package libvirt

import (
	"context"
	"encoding/xml"
	"fmt"
	"path"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// PeekPool returns the size of a pool without defining or starting one: what looking may cost a host that
// nobody approved anything for yet. Where no active pool has the path, a transient pool exists for a moment on
// the directory, or, for a local pool whose directory EnsurePool would make, on the nearest parent there is:
// libvirt tells the size of file systems in no other way. ErrNotFound when a shared pool's directory is missing.
func (h *host) PeekPool(ctx context.Context, pool hypervisor.Pool) (hypervisor.PoolInfo, error) {
	what := "pool " + pool.Path
	if !path.IsAbs(pool.Path) {
		return hypervisor.PoolInfo{}, h.fail(what, fmt.Errorf("%w: want an absolute path", hypervisor.ErrRefused), true)
	}
	dir := path.Clean(pool.Path)
	ref, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (golibvirt.StoragePool, error) {
		return rpc.StoragePoolLookupByTargetPath(dir)
	})
	if err == nil {
		h.rememberPool(dir, ref)
		return h.EnsurePool(ctx, pool)
	}
	if !notFound(err) {
		return hypervisor.PoolInfo{}, h.fail(what, err, false)
	}
	info, err := h.glance(ctx, dir)
	for ; notFound(poolError(err)) && !pool.Shared && dir != "/"; info, err = h.glance(ctx, dir) {
		dir = path.Dir(dir)
	}
	return info, h.fail(what, poolError(err), false)
}

// PeekVolumes returns the volumes of a pool as PeekPool has just scanned it, and neither defines nor starts one:
// ErrNotFound when no active pool has the path.
func (h *host) PeekVolumes(ctx context.Context, pool hypervisor.Pool) ([]hypervisor.Volume, error) {
	what := "look at volumes of " + pool.Path
	ref, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (golibvirt.StoragePool, error) {
		return rpc.StoragePoolLookupByTargetPath(path.Clean(pool.Path))
	})
	if err != nil {
		return nil, h.fail(what, poolError(err), false)
	}
	volumes, err := h.volumesOf(ctx, ref)
	return volumes, h.fail(what, poolError(err), false)
}

// glance sizes the file system of a directory through a transient pool.
func (h *host) glance(ctx context.Context, dir string) (hypervisor.PoolInfo, error) {
	if err := h.takePoolTurn(ctx); err != nil {
		return hypervisor.PoolInfo{}, err
	}
	defer func() { <-h.poolTurn }()
	id := uuid.New() // two controllers may glance at once
	text, err := xml.Marshal(poolXML{
		Type: "dir", Name: "np-look-" + id.String()[:8], UUID: id.String(), Target: poolTarget{Path: dir},
	})
	if err != nil {
		return hypervisor.PoolInfo{}, err
	}
	ref, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (golibvirt.StoragePool, error) {
		return rpc.StoragePoolCreateXML(string(text), 0)
	})
	if err != nil {
		return hypervisor.PoolInfo{}, err
	}
	info, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (hypervisor.PoolInfo, error) {
		_, capacity, _, available, err := rpc.StoragePoolGetInfo(ref)
		return hypervisor.PoolInfo{Capacity: int64(capacity), Available: int64(available)}, err
	})
	// A transient pool is gone when it is stopped, and at the latest when libvirtd is.
	_ = h.do(ctx, func(rpc *golibvirt.Libvirt) error { return rpc.StoragePoolDestroy(ref) })
	return info, err
}
