package state

import (
	"strings"

	"github.com/novaplan/novaplan/spec"
)

// Propose returns st as it would be with sp approved: the spec in its place and what it moved
// under its new address. Revision stays that of the base; nothing is written.
func (st State) Propose(sp *spec.Spec) State {
	t := transition{State: st}
	t.Desired = NewDesired(sp)
	for _, m := range sp.Moved {
		t.move(m)
	}
	t.settle()
	return t.State
}

// move renames what a moved block names, wherever the record says it. Domains keep their old stamp
// until a redefinition that the planner asks for.
func (t *transition) move(m spec.Moved) {
	switch m.From.Kind() {
	case "instance":
		t.moveInstances(m)
	case "host":
		t.moveHosts(m)
	default:
		rename := func(a spec.Address) spec.Address { return renamed(a, m) }
		t.rewrite(func(in *Instance) {
			in.Flavor, in.Image = rename(in.Flavor), rename(in.Image)
			for i := range in.NICs {
				in.NICs[i].Network = rename(in.NICs[i].Network)
			}
		}, nil, nil)
	}
}

// renamed applies a moved block to one address: the very address, or all of a block.
func renamed(a spec.Address, m spec.Moved) spec.Address {
	if a == m.From {
		return m.To
	}
	if rest, ok := strings.CutPrefix(string(a), string(m.From)); ok && rest[0] == '[' && m.From.Block() == m.From && m.To.Block() == m.To {
		return m.To + spec.Address(rest)
	}
	return a
}

// moveInstances renames instances whose new address is free.
func (t *transition) moveInstances(m spec.Moved) {
	names := map[spec.Address]spec.Address{}
	for _, in := range t.Instances.All() {
		to := renamed(in.Address, m)
		if _, taken := t.Instances.Get(string(to)); to != in.Address && !taken {
			names[in.Address] = to
		}
	}
	if len(names) == 0 {
		return
	}
	t.rewrite(func(in *Instance) {
		if to, ok := names[in.Address]; ok {
			in.Address = to
		}
	}, func(op *Operation) {
		if to, ok := names[op.Instance]; ok {
			op.Instance = to
		}
		if to, ok := names[op.Block]; ok {
			op.Block = to
		}
	}, nil)
}

// moveHosts renames hosts in their own record and wherever something is on them.
func (t *transition) moveHosts(m spec.Moved) {
	names := map[spec.Address]spec.Address{}
	for _, h := range t.Hosts.All() {
		to := renamed(h.Address, m)
		if _, taken := t.Hosts.Get(string(to)); to != h.Address && !taken {
			names[h.Address] = to
		}
	}
	if len(names) == 0 {
		return
	}
	rename := func(a *spec.Address) {
		if to, ok := names[*a]; ok {
			*a = to
		}
	}
	t.rewrite(func(in *Instance) { rename(&in.Host) }, func(op *Operation) {
		rename(&op.From)
		rename(&op.To)
		for i := range op.Tried {
			rename(&op.Tried[i])
		}
	}, func(h *Host) { rename(&h.Address) })
	for id, trash := range t.Trash.All() {
		if to, ok := names[trash.Host]; ok {
			fresh := *trash
			fresh.Host = to
			t.Trash = t.Trash.With(id, &fresh)
		}
	}
}

// rewrite edits copies of instances, operations and hosts and puts them back under their new keys.
func (t *transition) rewrite(instance func(*Instance), operation func(*Operation), host func(*Host)) {
	t.Instances = rekeyed(t.Instances, func(in *Instance) string {
		in.NICs = append([]NIC(nil), in.NICs...)
		instance(in)
		return string(in.Address)
	})
	t.Operations = rekeyed(t.Operations, func(op *Operation) string {
		op.Tried = append([]spec.Address(nil), op.Tried...)
		if op.Build != nil {
			in := *op.Build
			in.NICs = append([]NIC(nil), in.NICs...)
			instance(&in)
			op.Build = &in
		}
		if operation != nil {
			operation(op)
		}
		return op.ID
	})
	if host != nil {
		t.Hosts = rekeyed(t.Hosts, func(h *Host) string {
			host(h)
			return string(h.Address)
		})
	}
	t.State = t.State.Reindex()
}

func rekeyed[V any](m Map[*V], edit func(*V) string) Map[*V] {
	return Map[*V]{}.Edit(func(put func(string, *V), _ func(string)) {
		for _, v := range m.All() {
			fresh := *v
			put(edit(&fresh), &fresh)
		}
	})
}
