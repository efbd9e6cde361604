package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// changed adds an object's new state to the turn.
func (t *turn) changed(kind, place, id string, value any) {
	if t.w.journal == nil {
		return
	}
	c, err := record(kind, place, id, value)
	if err != nil && t.w.broken == nil {
		t.w.broken = err
	}
	t.changes = append(t.changes, c)
}

func record(kind, place, id string, value any) (change, error) {
	c := change{Kind: kind, Place: place, ID: id}
	if value == nil {
		return c, nil
	}
	var err error
	c.Value, err = json.Marshal(value)
	return c, err
}

func (t *turn) changedHost(h *host) { t.changed("host", h.name, "", h.hostRecord) }

// changedDomain records a domain that changed or went, and hints at it.
func (t *turn) changedDomain(h *host, uuid string) {
	if d := h.domains[uuid]; d != nil {
		t.changed("domain", h.name, uuid, d)
	} else {
		t.changed("domain", h.name, uuid, nil)
	}
	h.emit(t, hypervisor.Event{Kind: hypervisor.EventDomain, UUID: uuid})
}

func (t *turn) changedPool(p *pool) { t.changed("pool", p.host, p.path, p.poolRecord) }

func (t *turn) changedVolume(p *pool, name string) {
	if v := p.volumes[name]; v != nil {
		t.changed("volume", p.host, path.Join(p.path, name), v)
	} else {
		t.changed("volume", p.host, path.Join(p.path, name), nil)
	}
}

// restore applies one change of the journal.
func (w *World) restore(c change) error {
	switch c.Kind {
	case "host":
		return json.Unmarshal(c.Value, &w.host(c.Place).hostRecord)
	case "domain":
		h := w.host(c.Place)
		delete(h.domains, c.ID)
		if c.Value == nil {
			return nil
		}
		d := &domain{}
		h.domains[c.ID] = d
		return json.Unmarshal(c.Value, d)
	case "pool":
		return json.Unmarshal(c.Value, &w.poolOf(c.Place, c.ID).poolRecord)
	case "volume":
		p := w.poolOf(c.Place, path.Dir(c.ID))
		delete(p.volumes, path.Base(c.ID))
		if c.Value == nil {
			return nil
		}
		v := &volume{}
		p.volumes[path.Base(c.ID)] = v
		return json.Unmarshal(c.Value, v)
	case "violation":
		return restoreTo(&w.violations, c.Value)
	case "deletion":
		return restoreTo(&w.deletions, c.Value)
	}
	return fmt.Errorf("unknown kind of change: written by a later version?")
}

func restoreTo[T any](list *[]T, value json.RawMessage) error {
	var v T
	err := json.Unmarshal(value, &v)
	*list = append(*list, v)
	return err
}

// poolOf returns the pool of a host, or the shared one when host is "".
func (w *World) poolOf(host, at string) *pool {
	if host == "" {
		return w.sharedPool(at)
	}
	return w.host(host).pool(at)
}

// reindex derives what the journal does not hold, and schedules the work in progress.
func (w *World) reindex() {
	for _, p := range w.shared {
		p.sum()
		w.recall(p)
	}
	for _, name := range w.hostNames() {
		h := w.hosts[name]
		for _, p := range h.pools {
			p.sum()
			w.recall(p)
		}
		for uuid, d := range h.domains {
			h.names[d.Def.Name] = uuid
		}
	}
	// A turn without effect on the journal: the journal is attached later.
	t := &turn{w: w, now: now()}
	for _, name := range w.hostNames() {
		h := w.hosts[name]
		for _, uuid := range slices.Sorted(maps.Keys(h.domains)) {
			w.resume(t, h, uuid, h.domains[uuid])
		}
	}
	w.settle(t)
	for _, f := range t.after {
		f()
	}
}

func (p *pool) sum() {
	p.used = 0
	for _, v := range p.volumes {
		p.used += v.Allocated
	}
}

// resume takes up what a domain was doing when the process ended.
func (w *World) resume(t *turn, h *host, uuid string, d *domain) {
	if d.Power == hypervisor.PowerRunning || d.Power == hypervisor.PowerPaused {
		for _, lock := range w.locksOf(h, d.active()) {
			if _, taken := w.locks[lock]; !taken {
				w.locks[lock] = owner{h.name, uuid}
			}
		}
		w.runs[uuid] = append(w.runs[uuid], h.name)
	}
	if !d.ShutdownAt.IsZero() {
		w.scheduleShutdown(h, uuid, d)
	}
	if moving := d.Moving; moving != nil {
		m := &migration{movingRecord: *moving, source: h, dest: w.host(moving.Dest), uuid: uuid, done: make(chan struct{})}
		m.attach(w, d)
	}
}

// snapshot yields the whole world as changes.
func (w *World) snapshot(yield func(change) error) error {
	each := func(kind, place, id string, value any) error {
		c, err := record(kind, place, id, value)
		if err != nil {
			return err
		}
		return yield(c)
	}
	for _, name := range w.hostNames() {
		h := w.hosts[name]
		if err := each("host", name, "", h.hostRecord); err != nil {
			return err
		}
		for uuid, d := range h.domains {
			if err := each("domain", name, uuid, d); err != nil {
				return err
			}
		}
		for _, p := range h.pools {
			if err := p.snapshot(each); err != nil {
				return err
			}
		}
	}
	for _, p := range w.shared {
		if err := p.snapshot(each); err != nil {
			return err
		}
	}
	return w.snapshotHistory(each)
}

func (w *World) snapshotHistory(each func(kind, place, id string, value any) error) error {
	for _, d := range w.deletions {
		if err := each("deletion", "", "", d); err != nil {
			return err
		}
	}
	for _, v := range w.violations {
		if err := each("violation", "", "", v); err != nil {
			return err
		}
	}
	return nil
}

func (p *pool) snapshot(each func(kind, place, id string, value any) error) error {
	if err := each("pool", p.host, p.path, p.poolRecord); err != nil {
		return err
	}
	for name, v := range p.volumes {
		if err := each("volume", p.host, path.Join(p.path, name), v); err != nil {
			return err
		}
	}
	return nil
}
