package sim

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// EmptyDisk is what a qcow2 file that holds nothing takes on disk, as of QEMU, in bytes.
const EmptyDisk = 196 << 10

// pool is a folder of disks: a host's own, or one that all hosts share.
type pool struct {
	poolRecord
	host    string // "" when shared
	path    string
	volumes map[string]*volume
	used    int64 // sum of Allocated
}

// poolRecord is what a pool keeps beyond its volumes.
type poolRecord struct {
	Full bool `json:"full,omitempty"`
}

// volume is one file.
type volume struct {
	Format        string  `json:"format"`
	Bytes         int64   `json:"bytes"`
	Allocated     int64   `json:"allocated"`
	BackingPath   string  `json:"backing_path,omitempty"`
	BackingFormat string  `json:"backing_format,omitempty"`
	Content       []byte  `json:"content,omitempty"`    // deflated
	Size          int64   `json:"size,omitempty"`       // of the uploaded content
	Incomplete    bool    `json:"incomplete,omitempty"` // an upload did not finish, or not yet
	Booted        bool    `json:"booted,omitempty"`     // a guest has written to it
	Written       writing `json:"written,omitzero"`
}

func (v *volume) public(p *pool, name string) hypervisor.Volume {
	return hypervisor.Volume{
		Name: name, Path: path.Join(p.path, name), Format: v.Format,
		Bytes: v.Bytes, Allocated: v.Allocated, FileBytes: v.fileBytes(), BackingPath: v.BackingPath,
	}
}

// pool returns the host's own pool at a path, made when it is new.
func (h *host) pool(at string) *pool {
	p := h.pools[at]
	if p == nil {
		p = &pool{host: h.name, path: at, volumes: map[string]*volume{}}
		h.pools[at] = p
	}
	return p
}

// sharedPool returns the pool that hosts share at a path.
func (w *World) sharedPool(at string) *pool {
	p := w.shared[at]
	if p == nil {
		p = &pool{path: at, volumes: map[string]*volume{}}
		w.shared[at] = p
	}
	return p
}

// find returns the pool as the host sees it. Shared storage is there unless it was unmounted, a
// local pool once it was ensured.
func (w *World) find(h *host, want hypervisor.Pool) (*pool, error) {
	at := path.Clean(want.Path)
	switch {
	case !path.IsAbs(at):
		return nil, fmt.Errorf("pool %q: %w: not an absolute path", want.Path, hypervisor.ErrRefused)
	case !want.Shared && h.pools[at] == nil:
		return nil, fmt.Errorf("pool %s: %w", at, hypervisor.ErrNotFound)
	case !want.Shared:
		return h.pools[at], nil
	case slices.Contains(h.Unmounted, at):
		return nil, fmt.Errorf("pool %s: %w: not mounted", at, hypervisor.ErrNotFound)
	}
	return w.sharedPool(at), nil
}

// disk finds the file at a path as the host sees it; nil when there is none.
func (w *World) disk(h *host, file string) (*pool, *volume) {
	dir, name := path.Split(file)
	dir = path.Clean(dir)
	if p := h.pools[dir]; p != nil && p.volumes[name] != nil {
		return p, p.volumes[name]
	}
	if p := w.shared[dir]; p != nil && p.volumes[name] != nil && !slices.Contains(h.Unmounted, dir) {
		return p, p.volumes[name]
	}
	return nil, nil
}

func (w *World) capacity(h *host, p *pool) int64 {
	if p.host == "" {
		return w.opts.SharedPoolBytes
	}
	return h.target.DiskMiB << 20
}

// available is what can still be written to the pool.
func (w *World) available(h *host, p *pool) int64 {
	if p.Full || p.host != "" && h.Full {
		return 0
	}
	return max(0, w.capacity(h, p)-p.used)
}

// resize changes what a volume takes on disk.
func (p *pool) resize(v *volume, allocated int64) {
	p.used += allocated - v.Allocated
	v.Allocated = allocated
}

// EnsurePool makes a local pool; a shared one must be mounted.
func (c *conn) EnsurePool(ctx context.Context, want hypervisor.Pool) (hypervisor.PoolInfo, error) {
	return call(ctx, c, "EnsurePool", func(t *turn) (hypervisor.PoolInfo, error) {
		if at := path.Clean(want.Path); !want.Shared && path.IsAbs(at) && c.host.pools[at] == nil {
			t.changedPool(c.host.pool(at))
		}
		p, err := t.w.find(c.host, want)
		if err != nil {
			return hypervisor.PoolInfo{}, err
		}
		return hypervisor.PoolInfo{Capacity: t.w.capacity(c.host, p), Available: t.w.available(c.host, p)}, nil
	})
}

// ListVolumes returns the pool's volumes in order of name.
func (c *conn) ListVolumes(ctx context.Context, want hypervisor.Pool) ([]hypervisor.Volume, error) {
	return call(ctx, c, "ListVolumes", func(t *turn) ([]hypervisor.Volume, error) {
		p, err := t.w.find(c.host, want)
		if err != nil {
			return nil, err
		}
		list := make([]hypervisor.Volume, 0, len(p.volumes))
		for name, v := range p.volumes {
			list = append(list, v.public(p, name))
		}
		slices.SortFunc(list, func(a, b hypervisor.Volume) int { return strings.Compare(a.Name, b.Name) })
		return list, nil
	})
}

// GetVolume returns one volume.
func (c *conn) GetVolume(ctx context.Context, want hypervisor.Pool, name string) (hypervisor.Volume, error) {
	return call(ctx, c, "GetVolume", func(t *turn) (hypervisor.Volume, error) {
		p, v, err := t.w.volume(c.host, want, name)
		if err != nil {
			return hypervisor.Volume{}, err
		}
		return v.public(p, name), nil
	})
}

func (w *World) volume(h *host, want hypervisor.Pool, name string) (*pool, *volume, error) {
	p, err := w.find(h, want)
	if err != nil {
		return nil, nil, err
	}
	v := p.volumes[name]
	if v == nil {
		return nil, nil, fmt.Errorf("volume %s: %w", path.Join(p.path, name), hypervisor.ErrNotFound)
	}
	return p, v, nil
}

// CreateVolume makes an empty volume, thin: it takes next to no space until something is written.
func (c *conn) CreateVolume(ctx context.Context, want hypervisor.Pool, spec hypervisor.VolumeSpec) (hypervisor.Volume, error) {
	return call(ctx, c, "CreateVolume", func(t *turn) (hypervisor.Volume, error) {
		p, err := t.w.find(c.host, want)
		if err != nil {
			return hypervisor.Volume{}, err
		}
		v, err := t.w.newVolume(c.host, p, spec)
		if err != nil {
			return hypervisor.Volume{}, fmt.Errorf("volume %s: %w", path.Join(p.path, spec.Name), err)
		}
		p.volumes[spec.Name] = v
		p.used += v.Allocated
		t.changedVolume(p, spec.Name)
		return v.public(p, spec.Name), nil
	})
}

func (w *World) newVolume(h *host, p *pool, spec hypervisor.VolumeSpec) (*volume, error) {
	v := &volume{Format: spec.Format, Bytes: spec.Bytes, BackingPath: spec.BackingPath, BackingFormat: spec.BackingFormat}
	switch {
	case spec.Name == "" || spec.Name == "." || spec.Name == ".." || strings.ContainsAny(spec.Name, "/\x00"):
		return nil, fmt.Errorf("%w: bad name %q", hypervisor.ErrRefused, spec.Name)
	case spec.Bytes < 0:
		return nil, fmt.Errorf("%w: negative size", hypervisor.ErrRefused)
	case p.volumes[spec.Name] != nil:
		return nil, hypervisor.ErrExists
	case spec.Format == "qcow2":
		v.Allocated = EmptyDisk
	case spec.Format != "raw":
		return nil, fmt.Errorf("%w: unknown format %q", hypervisor.ErrRefused, spec.Format)
	case spec.BackingPath != "":
		return nil, fmt.Errorf("%w: raw volumes have no backing file", hypervisor.ErrRefused)
	}
	if spec.BackingPath != "" {
		if _, backing := w.disk(h, spec.BackingPath); backing == nil {
			return nil, fmt.Errorf("%w: no backing file %s", hypervisor.ErrRefused, spec.BackingPath)
		}
		if spec.BackingFormat == "" {
			return nil, fmt.Errorf("%w: no format of the backing file", hypervisor.ErrRefused)
		}
	}
	if free := w.available(h, p); free == 0 || v.Allocated > free {
		return nil, hypervisor.ErrNoSpace
	}
	return v, nil
}

// ResizeVolume grows a volume that no running domain writes.
func (c *conn) ResizeVolume(ctx context.Context, want hypervisor.Pool, name string, bytes int64) error {
	_, err := call(ctx, c, "ResizeVolume", func(t *turn) (none, error) {
		p, v, err := t.w.volume(c.host, want, name)
		if err != nil {
			return none{}, err
		}
		if bytes < v.Bytes {
			return none{}, fmt.Errorf("volume %s: %w: can't shrink from %d to %d bytes", name, hypervisor.ErrRefused, v.Bytes, bytes)
		}
		if user, ok := t.w.locks[diskLock{p.host, path.Join(p.path, name)}]; ok {
			return none{}, fmt.Errorf("volume %s: %w: in use by domain %s on %s", name, hypervisor.ErrRefused, user.uuid, user.host)
		}
		v.Bytes = bytes
		t.changedVolume(p, name)
		return none{}, nil
	})
	return err
}

// DeleteVolume removes the file, also from under a running domain, as libvirt would.
func (c *conn) DeleteVolume(ctx context.Context, want hypervisor.Pool, name string) error {
	_, err := call(ctx, c, "DeleteVolume", func(t *turn) (none, error) {
		p, v, err := t.w.volume(c.host, want, name)
		if err != nil {
			return none{}, err
		}
		file := path.Join(p.path, name)
		user := t.w.locks[diskLock{p.host, file}]
		t.deleted(Deletion{At: t.now, By: c.name, Host: p.host, Path: file, Bytes: v.Bytes, UsedBy: user.uuid})
		p.resize(v, 0)
		delete(p.volumes, name)
		t.changedVolume(p, name)
		return none{}, nil
	})
	return err
}
