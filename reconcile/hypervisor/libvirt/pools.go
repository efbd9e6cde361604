package libvirt

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"path"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// poolNamespace is the UUID namespace of the pools that we define: one per path, the same on every host.
var poolNamespace = uuid.MustParse("6f8f5d2e-6d8e-5a53-9b1c-6b1f0a3c7f10")

type poolXML struct {
	XMLName xml.Name   `xml:"pool"`
	Type    string     `xml:"type,attr"`
	Name    string     `xml:"name"`
	UUID    string     `xml:"uuid"`
	Target  poolTarget `xml:"target"`
}

type poolTarget struct {
	Path string `xml:"path"`
}

// poolDefinition is the pool we define for a path that none covers.
func poolDefinition(dir string) (string, error) {
	id := uuid.NewSHA1(poolNamespace, []byte(dir))
	text, err := xml.Marshal(poolXML{
		Type: "dir", Name: "np-" + id.String()[:8], UUID: id.String(), Target: poolTarget{Path: dir},
	})
	return string(text), err
}

// EnsurePool implements hypervisor.Storage. A libvirt pool of any name that has the path is used; otherwise one is
// defined, named np- and eight digits that follow from the path. It isn't autostarted: EnsurePool starts it when needed,
// and by then the share it may lie on is mounted.
func (h *host) EnsurePool(ctx context.Context, pool hypervisor.Pool) (hypervisor.PoolInfo, error) {
	what := "pool " + pool.Path
	ref, err := h.openPool(ctx, pool)
	if err != nil {
		return hypervisor.PoolInfo{}, h.fail(what, err, true)
	}
	if err := h.refresh(ctx, ref); err != nil {
		h.forgetPool(pool)
		return hypervisor.PoolInfo{}, h.fail(what, poolError(err), false)
	}
	info, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (hypervisor.PoolInfo, error) {
		_, capacity, _, available, err := rpc.StoragePoolGetInfo(ref)
		return hypervisor.PoolInfo{Capacity: int64(capacity), Available: int64(available)}, err
	})
	return info, h.fail(what, err, false)
}

// poolError knows how libvirt says that the directory isn't there.
func poolError(err error) error {
	if saidWords(err, "No such file or directory") {
		return fmt.Errorf("%w: %w", hypervisor.ErrNotFound, err)
	}
	return err
}

// pool returns the libvirt pool of a path, which EnsurePool must have made at some time, started if need be.
func (h *host) pool(ctx context.Context, pool hypervisor.Pool) (golibvirt.StoragePool, error) {
	dir := path.Clean(pool.Path)
	if ref, ok := h.knownPool(dir); ok {
		return ref, nil
	}
	if err := h.takePoolTurn(ctx); err != nil {
		return golibvirt.StoragePool{}, err
	}
	defer func() { <-h.poolTurn }()
	ref, err := h.findPool(ctx, dir)
	if err == nil {
		h.rememberPool(dir, ref)
	}
	return ref, err
}

// openPool finds or defines the pool, and starts it.
func (h *host) openPool(ctx context.Context, pool hypervisor.Pool) (golibvirt.StoragePool, error) {
	if !path.IsAbs(pool.Path) {
		return golibvirt.StoragePool{}, fmt.Errorf("%w: want an absolute path", hypervisor.ErrRefused)
	}
	if err := h.takePoolTurn(ctx); err != nil {
		return golibvirt.StoragePool{}, err
	}
	defer func() { <-h.poolTurn }()
	dir := path.Clean(pool.Path)
	ref, err := h.findPool(ctx, dir)
	if notFound(err) {
		ref, err = h.makePool(ctx, dir, pool.Shared)
	}
	if err == nil {
		h.rememberPool(dir, ref)
	}
	return ref, poolError(err)
}

// takePoolTurn waits to be the only one that looks for or defines a pool.
func (h *host) takePoolTurn(ctx context.Context) error {
	select {
	case h.poolTurn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &notSentError{ctx.Err()}
	}
}

func (h *host) knownPool(dir string) (golibvirt.StoragePool, bool) {
	h.poolMu.Lock()
	defer h.poolMu.Unlock()
	ref, ok := h.pools[dir]
	return ref, ok
}

func (h *host) rememberPool(dir string, ref golibvirt.StoragePool) {
	h.poolMu.Lock()
	defer h.poolMu.Unlock()
	h.pools[dir] = ref
}

func (h *host) forgetPool(pool hypervisor.Pool) {
	h.poolMu.Lock()
	defer h.poolMu.Unlock()
	delete(h.pools, path.Clean(pool.Path))
}

// findPool looks for an active pool with that path, then for an inactive one, which it starts.
func (h *host) findPool(ctx context.Context, dir string) (golibvirt.StoragePool, error) {
	ref, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (golibvirt.StoragePool, error) {
		return rpc.StoragePoolLookupByTargetPath(dir)
	})
	if err == nil || !notFound(err) {
		return ref, err
	}
	inactive, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) ([]golibvirt.StoragePool, error) {
		pools, _, err := rpc.ConnectListAllStoragePools(1, golibvirt.ConnectListStoragePoolsInactive)
		return pools, err
	})
	if err != nil {
		return golibvirt.StoragePool{}, err
	}
	for _, ref := range inactive {
		text, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) { return rpc.StoragePoolGetXMLDesc(ref, 0) })
		if notFound(err) {
			continue
		}
		if err != nil {
			return golibvirt.StoragePool{}, err
		}
		var doc poolXML
		if err := xml.Unmarshal([]byte(text), &doc); err == nil && path.Clean(doc.Target.Path) == dir {
			return ref, h.startPool(ctx, ref, false)
		}
	}
	return golibvirt.StoragePool{}, fmt.Errorf("%w: no pool has the path %s", hypervisor.ErrNotFound, dir)
}

// makePool defines and starts a pool; a definition whose start fails goes again.
func (h *host) makePool(ctx context.Context, dir string, shared bool) (golibvirt.StoragePool, error) {
	text, err := poolDefinition(dir)
	if err != nil {
		return golibvirt.StoragePool{}, err
	}
	ref, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (golibvirt.StoragePool, error) {
		return rpc.StoragePoolDefineXML(text, 0)
	})
	if err != nil {
		return ref, err
	}
	err = h.startPool(ctx, ref, !shared)
	if said := new(golibvirt.Error); errors.As(err, said) {
		_ = h.do(ctx, func(rpc *golibvirt.Libvirt) error { return rpc.StoragePoolUndefine(ref) }) // the start's failure counts
	}
	return ref, err
}

// startPool starts a pool; build makes its directory.
func (h *host) startPool(ctx context.Context, ref golibvirt.StoragePool, build bool) error {
	flags := golibvirt.StoragePoolCreateNormal
	if build {
		flags = golibvirt.StoragePoolCreateWithBuild
	}
	err := h.do(ctx, func(rpc *golibvirt.Libvirt) error { return rpc.StoragePoolCreate(ref, flags) })
	if saidCode(err, golibvirt.ErrOperationInvalid) {
		return nil // another client was faster: it is active
	}
	return err
}

// Waits for a pool that libvirt won't rescan because a volume is being made in it.
const (
	busyWait = 50 * time.Millisecond
	busyMax  = 20 * time.Second
)

// refresh rescans the directory. libvirt only knows what it saw at the last scan, and files come and go
// behind it: other hosts write to shared pools, and guests' disks grow.
func (h *host) refresh(ctx context.Context, ref golibvirt.StoragePool) error {
	deadline := time.Now().Add(busyMax)
	for {
		err := h.do(ctx, func(rpc *golibvirt.Libvirt) error { return rpc.StoragePoolRefresh(ref, 0) })
		if !saidWords(err, "asynchronous jobs running") {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: volumes are being made in it without end: %w", hypervisor.ErrState, err)
		}
		timer := time.NewTimer(busyWait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return &notSentError{ctx.Err()}
		}
	}
}
