package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// domain is one virtual machine on one host.
type domain struct {
	Def        hypervisor.Definition  // of its next start
	Live       *hypervisor.Definition // what runs, when that differs from Def
	Persistent bool
	Power      hypervisor.Power
	Reason     string    `json:",omitempty"` // why it is paused
	BootedAt   time.Time // when the guest is, or was, through booting
	ShutdownAt time.Time // when the power button takes effect; zero: nobody pressed it
	Pressed    bool      `json:",omitempty"` // the button, while paused
	Deaf       bool      `json:",omitempty"` // to the button
	Starts     int       // how often it booted; a migration carries this along

	Moving *movingRecord `json:",omitempty"` // a migration away from here
	job    *migration
}

// active returns the definition that counts now.
func (d *domain) active() *hypervisor.Definition {
	if d.Power.Active() && d.Live != nil {
		return d.Live
	}
	return &d.Def
}

func (d *domain) public() hypervisor.Domain {
	def := d.active()
	out := hypervisor.Domain{
		UUID: def.UUID, Name: def.Name, Power: d.Power, PauseReason: d.Reason, Persistent: d.Persistent,
		VCPUs: def.VCPUs, MemoryMiB: def.MemoryMiB, Migrating: d.job != nil,
	}
	now := hardware(def)
	out.Disks, out.MACs = now.Disks, now.MACs
	if next := hardware(&d.Def); d.Persistent && d.Power.Active() && !next.Equal(now) {
		out.Next = &next
	}
	if def.Stamp != (hypervisor.Stamp{}) {
		stamp := def.Stamp
		out.Stamp = &stamp
	}
	return out
}

func hardware(def *hypervisor.Definition) hypervisor.Hardware {
	h := hypervisor.Hardware{VCPUs: def.VCPUs, MemoryMiB: def.MemoryMiB}
	for _, disk := range def.Disks {
		h.Disks = append(h.Disks, disk.Path)
	}
	for _, nic := range def.NICs {
		h.MACs = append(h.MACs, nic.MAC)
	}
	return h
}

// clone keeps a definition apart from its caller's slices and maps.
func clone(def hypervisor.Definition) hypervisor.Definition {
	def.Disks = slices.Clone(def.Disks)
	def.NICs = slices.Clone(def.NICs)
	if def.Properties != nil {
		properties := make(map[string]string, len(def.Properties))
		for k, v := range def.Properties {
			properties[k] = v
		}
		def.Properties = properties
	}
	return def
}

// ListDomains returns the host's domains in order of name.
func (c *conn) ListDomains(ctx context.Context) ([]hypervisor.Domain, error) {
	return call(ctx, c, "ListDomains", func(*turn) ([]hypervisor.Domain, error) {
		list := make([]hypervisor.Domain, 0, len(c.host.domains))
		for _, d := range c.host.domains {
			list = append(list, d.public())
		}
		slices.SortFunc(list, func(a, b hypervisor.Domain) int { return strings.Compare(a.Name, b.Name) })
		return list, nil
	})
}

// GetDomain returns one domain.
func (c *conn) GetDomain(ctx context.Context, uuid string) (hypervisor.Domain, error) {
	return call(ctx, c, "GetDomain", func(*turn) (hypervisor.Domain, error) {
		d, err := c.host.domain(uuid)
		if err != nil {
			return hypervisor.Domain{}, err
		}
		return d.public(), nil
	})
}

func (h *host) domain(uuid string) (*domain, error) {
	d := h.domains[uuid]
	if d == nil {
		return nil, fmt.Errorf("domain %s: %w", uuid, hypervisor.ErrNotFound)
	}
	return d, nil
}

// DefineDomain creates or replaces a definition. A domain that is being migrated is protected.
func (c *conn) DefineDomain(ctx context.Context, def hypervisor.Definition) error {
	def = clone(def)
	_, err := call(ctx, c, "DefineDomain", func(t *turn) (none, error) {
		return none{}, c.host.define(t, clone(def))
	})
	return err
}

func (h *host) define(t *turn, def hypervisor.Definition) error {
	if def.UUID == "" || def.Name == "" || strings.Contains(def.Name, "/") {
		return fmt.Errorf("domain %q: %w: needs a name without slashes and a UUID", def.Name, hypervisor.ErrRefused)
	}
	if def.VCPUs < 1 || def.MemoryMiB < 1 {
		return fmt.Errorf("domain %s: %w: needs vCPUs and memory", def.Name, hypervisor.ErrRefused)
	}
	if err := checkStamp(def.Stamp); err != nil {
		return fmt.Errorf("domain %s: %w", def.Name, err)
	}
	if other, taken := h.names[def.Name]; taken && other != def.UUID {
		return fmt.Errorf("domain %s: %w with UUID %s", def.Name, hypervisor.ErrExists, other)
	}
	d := h.domains[def.UUID]
	switch {
	case d == nil:
		d = &domain{Power: hypervisor.PowerOff, Deaf: h.Deaf}
		h.domains[def.UUID] = d
		h.names[def.Name] = def.UUID
	case d.Def.Name != def.Name:
		return fmt.Errorf("domain %s: UUID %s %w as %s", def.Name, def.UUID, hypervisor.ErrExists, d.Def.Name)
	case d.busy():
		return fmt.Errorf("domain %s: %w: a migration protects it", def.Name, hypervisor.ErrRefused)
	case d.Power.Active() && d.Live == nil:
		live := d.Def
		d.Live = &live
	}
	d.Def, d.Persistent = def, true
	t.changedDomain(h, def.UUID)
	return nil
}

// busy reports whether a migration from or to here is on.
func (d *domain) busy() bool { return d.job != nil || d.Power == hypervisor.PowerIncoming }

// SetStamp replaces the stamp of both definitions.
func (c *conn) SetStamp(ctx context.Context, uuid string, stamp hypervisor.Stamp) error {
	return c.change(ctx, "SetStamp", uuid, func(_ *turn, d *domain) error {
		if d.busy() {
			return fmt.Errorf("%w: a migration protects it", hypervisor.ErrRefused)
		}
		if err := checkStamp(stamp); err != nil {
			return err
		}
		d.Def.Stamp = stamp
		if d.Live != nil {
			d.Live.Stamp = stamp
		}
		return nil
	})
}

// maxRecord is how many bytes a stamp's record may have, by the port.
const maxRecord = 16 << 10

func checkStamp(stamp hypervisor.Stamp) error {
	if len(stamp.Record) > maxRecord {
		return fmt.Errorf("%w: the stamp's record has %d bytes, more than %d", hypervisor.ErrRefused, len(stamp.Record), maxRecord)
	}
	return nil
}

// change runs f on a domain and records what it did.
func (c *conn) change(ctx context.Context, method, uuid string, f func(*turn, *domain) error) error {
	_, err := call(ctx, c, method, func(t *turn) (none, error) {
		d, err := c.host.domain(uuid)
		if err != nil {
			return none{}, err
		}
		if err := f(t, d); err != nil {
			return none{}, fmt.Errorf("domain %s: %w", d.Def.Name, err)
		}
		t.changedDomain(c.host, uuid)
		return none{}, nil
	})
	return err
}

// UndefineDomain removes the definition of a domain that is off.
func (c *conn) UndefineDomain(ctx context.Context, uuid string) error {
	return c.change(ctx, "UndefineDomain", uuid, func(_ *turn, d *domain) error {
		if d.Power.Active() {
			return fmt.Errorf("%w: it is %s", hypervisor.ErrState, d.Power)
		}
		c.host.forget(uuid)
		return nil
	})
}

// forget removes a domain from the host.
func (h *host) forget(uuid string) {
	if d := h.domains[uuid]; d != nil {
		delete(h.names, d.Def.Name)
		delete(h.domains, uuid)
	}
}
