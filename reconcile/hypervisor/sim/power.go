package sim

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// diskLock is a disk that a guest writes: QEMU locks the file, wherever it is opened.
type diskLock struct {
	host string // "" when on a shared pool
	path string
}

// owner is the guest that holds a lock.
type owner struct{ host, uuid string }

// StartDomain boots a defined domain, or restores a saved one.
func (c *conn) StartDomain(ctx context.Context, uuid string) error {
	return c.change(ctx, "StartDomain", uuid, func(t *turn, d *domain) error {
		if d.Power.Active() {
			return fmt.Errorf("%w: it is %s", hypervisor.ErrState, d.Power)
		}
		if err := t.w.bootable(t, c.host, &d.Def); err != nil {
			return err
		}
		if err := t.w.lockDisks(t, c.host, &d.Def); err != nil {
			return err
		}
		t.answer = t.w.scaled(t.w.opts.Start)
		if d.Power != hypervisor.PowerSaved {
			d.Starts++
			d.BootedAt = t.now.Add(t.w.scaled(t.w.opts.Boot))
			t.w.guestWrites(t, c.host, &d.Def)
		}
		t.wrote(c.host, &d.Def)
		d.Power, d.Reason, d.Live = hypervisor.PowerRunning, "", nil
		t.runs(c.host, uuid)
		return nil
	})
}

// bootable checks what QEMU would: files, their formats, the CPU and the networks.
func (w *World) bootable(t *turn, h *host, def *hypervisor.Definition) error {
	for _, disk := range def.Disks {
		p, v := w.disk(h, disk.Path)
		if v == nil {
			return fmt.Errorf("%w: no disk %s", hypervisor.ErrRefused, disk.Path)
		}
		if _, base := w.disk(h, v.BackingPath); v.BackingPath != "" && base == nil {
			return fmt.Errorf("%w: disk %s stands on %s, which isn't there", hypervisor.ErrRefused, disk.Path, v.BackingPath)
		}
		if disk.Format == "qcow2" && v.Format != "qcow2" {
			return fmt.Errorf("%w: disk %s is not qcow2", hypervisor.ErrRefused, disk.Path)
		}
		for v.BackingPath != "" {
			file := v.BackingPath
			if _, v = w.disk(h, file); v == nil {
				return fmt.Errorf("%w: no backing file %s of disk %s", hypervisor.ErrRefused, file, disk.Path)
			}
		}
		if v.Incomplete {
			t.violated(Violation{Kind: IncompleteDisk, UUID: def.UUID, Hosts: []string{h.name}, Path: path.Join(p.path, path.Base(disk.Path))})
		}
	}
	if !h.runsCPU(def.CPU) {
		return fmt.Errorf("%w: CPU %s can't run %s", hypervisor.ErrRefused, h.info().CPU, def.CPU)
	}
	return w.pluggable(def.NICs)
}

// pluggable checks that the networks exist, where the world says which do.
func (w *World) pluggable(nics []hypervisor.NIC) error {
	for _, nic := range nics {
		has := slices.ContainsFunc(w.opts.Networks, func(n hypervisor.Network) bool {
			return n.Kind == nic.Kind && n.Name == nic.Source && n.Active
		})
		if w.opts.Networks != nil && !has {
			return fmt.Errorf("%w: no %s network %s", hypervisor.ErrRefused, nic.Kind, nic.Source)
		}
	}
	return nil
}

// locksOf lists what a guest writes.
func (w *World) locksOf(h *host, def *hypervisor.Definition) []diskLock {
	var locks []diskLock
	for _, disk := range def.Disks {
		if p, v := w.disk(h, disk.Path); v != nil && !disk.ReadOnly {
			locks = append(locks, diskLock{p.host, path.Clean(disk.Path)})
		}
	}
	return locks
}

// lockDisks takes QEMU's image locks. Two guests on one disk are refused, and a violation: only the
// lock has prevented the damage.
func (w *World) lockDisks(t *turn, h *host, def *hypervisor.Definition) error {
	locks := w.locksOf(h, def)
	for _, lock := range locks {
		if has, taken := w.locks[lock]; taken && has != (owner{h.name, def.UUID}) {
			t.violated(Violation{Kind: DiskTwice, UUID: def.UUID, Hosts: []string{has.host, h.name}, Path: lock.path})
			return fmt.Errorf("%w: failed to get \"write\" lock on %s: domain %s on %s has it",
				hypervisor.ErrRefused, lock.path, has.uuid, has.host)
		}
	}
	for _, lock := range locks {
		w.locks[lock] = owner{h.name, def.UUID}
	}
	return nil
}

func (w *World) unlockDisks(h *host, def *hypervisor.Definition) {
	for _, disk := range def.Disks {
		for _, lock := range []diskLock{{h.name, path.Clean(disk.Path)}, {"", path.Clean(disk.Path)}} {
			if w.locks[lock] == (owner{h.name, def.UUID}) {
				delete(w.locks, lock)
			}
		}
	}
}

// guestWrites lets a first boot fill its overlay a little.
func (w *World) guestWrites(t *turn, h *host, def *hypervisor.Definition) {
	for _, disk := range def.Disks {
		p, v := w.disk(h, disk.Path)
		if disk.ReadOnly || v == nil || v.Format != "qcow2" || v.Booted {
			continue
		}
		v.Booted = true
		grow := min(w.opts.GuestWrites, v.Bytes-v.Allocated, w.available(h, p))
		p.resize(v, v.Allocated+max(grow, 0))
		t.changedVolume(p, path.Base(disk.Path))
	}
}

// ShutdownDomain presses the power button. A guest that boots heeds it when it is up, a paused one
// when it is resumed.
func (c *conn) ShutdownDomain(ctx context.Context, uuid string) error {
	return c.change(ctx, "ShutdownDomain", uuid, func(t *turn, d *domain) error {
		if err := d.on(); err != nil {
			return err
		}
		switch {
		case d.Deaf || !d.ShutdownAt.IsZero():
		case d.Power == hypervisor.PowerPaused:
			d.Pressed = true
		default:
			t.press(c.host, uuid, d)
		}
		return nil
	})
}

// press schedules the end of a guest.
func (t *turn) press(h *host, uuid string, d *domain) {
	d.Pressed = false
	d.ShutdownAt = later(t.now, d.BootedAt).Add(t.w.scaled(t.w.opts.Shutdown))
	t.w.scheduleShutdown(h, uuid, d)
}

func (w *World) scheduleShutdown(h *host, uuid string, d *domain) {
	at := d.ShutdownAt
	w.agenda.add(at, func(t *turn) {
		if h.domains[uuid] == d && d.Power == hypervisor.PowerRunning && d.ShutdownAt.Equal(at) {
			t.off(h, uuid, d, hypervisor.PowerOff)
		}
	})
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// on reports ErrState for a domain that has no guest to talk to.
func (d *domain) on() error {
	if d.Power != hypervisor.PowerRunning && d.Power != hypervisor.PowerPaused {
		return fmt.Errorf("%w: it is %s", hypervisor.ErrState, d.Power)
	}
	return nil
}

// RebootDomain restarts the guest.
func (c *conn) RebootDomain(ctx context.Context, uuid string) error {
	return c.change(ctx, "RebootDomain", uuid, func(t *turn, d *domain) error {
		if err := d.on(); err != nil {
			return err
		}
		if !d.Deaf && d.Power == hypervisor.PowerRunning {
			d.Starts++
			d.BootedAt = t.now.Add(t.w.scaled(t.w.opts.Shutdown + t.w.opts.Boot))
		}
		return nil
	})
}

// DestroyDomain cuts the power, also of a guest that is being migrated here.
func (c *conn) DestroyDomain(ctx context.Context, uuid string) error {
	return c.change(ctx, "DestroyDomain", uuid, func(t *turn, d *domain) error {
		if !d.Power.Active() {
			return fmt.Errorf("%w: it is %s", hypervisor.ErrState, d.Power)
		}
		t.off(c.host, uuid, d, hypervisor.PowerOff)
		return nil
	})
}

// off ends a guest. A domain that is not persistent is gone with it.
func (t *turn) off(h *host, uuid string, d *domain, power hypervisor.Power) {
	t.w.guestGone(t, h, uuid, d)
	t.w.unlockDisks(h, d.active())
	t.stopped(h, uuid)
	h.hangUp(uuid)
	d.Power, d.Reason, d.Live = power, "", nil
	d.ShutdownAt, d.Pressed = time.Time{}, false
	if !d.Persistent {
		h.forget(uuid)
	}
	t.changedDomain(h, uuid)
}

// powerLost ends all guests of a host.
func (h *host) powerLost(t *turn) {
	for _, uuid := range slices.Sorted(maps.Keys(h.domains)) {
		if d := h.domains[uuid]; d != nil && d.Power.Active() {
			t.off(h, uuid, d, hypervisor.PowerOff)
		}
	}
}

// PauseDomain stops the vCPUs.
func (c *conn) PauseDomain(ctx context.Context, uuid string) error {
	return c.change(ctx, "PauseDomain", uuid, func(_ *turn, d *domain) error {
		if d.Power != hypervisor.PowerRunning {
			return fmt.Errorf("%w: it is %s", hypervisor.ErrState, d.Power)
		}
		d.Power, d.Reason = hypervisor.PowerPaused, "user"
		if !d.ShutdownAt.IsZero() {
			d.ShutdownAt, d.Pressed = time.Time{}, true
		}
		return nil
	})
}

// ResumeDomain lets the vCPUs run.
func (c *conn) ResumeDomain(ctx context.Context, uuid string) error {
	return c.change(ctx, "ResumeDomain", uuid, func(t *turn, d *domain) error {
		if d.Power != hypervisor.PowerPaused {
			return fmt.Errorf("%w: it is %s", hypervisor.ErrState, d.Power)
		}
		d.Power, d.Reason = hypervisor.PowerRunning, ""
		if d.Pressed {
			t.press(c.host, uuid, d)
		}
		return nil
	})
}

// SaveDomain writes the memory to disk and stops the domain.
func (c *conn) SaveDomain(ctx context.Context, uuid string) error {
	return c.change(ctx, "SaveDomain", uuid, func(t *turn, d *domain) error {
		if err := d.on(); err != nil {
			return err
		}
		if d.busy() || !d.Persistent {
			return fmt.Errorf("%w: it is being migrated or not persistent", hypervisor.ErrRefused)
		}
		t.off(c.host, uuid, d, hypervisor.PowerSaved)
		return nil
	})
}
