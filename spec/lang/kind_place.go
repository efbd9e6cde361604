package lang

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/novaplan/novaplan/spec"
)

// The blocks that describe where instances can be: zones, hosts, aggregates, pools.

func nameField[T any](at func(*T) *string) field[T] {
	return textField("name", at).or("the label, with the key").is("what people read").checked(func(a *arg, dst *T) {
		if *at(dst) == "" {
			a.invalid("A name can't be empty.")
		}
	})
}

var zoneTable = (&table[spec.Zone]{
	kindName: "zone",
	doc:      "An availability zone. Hosts in no zone are in the zone named nova.",
	fields:   []field[spec.Zone]{nameField(func(z *spec.Zone) *string { return &z.Name })},
	start:    func(b *block) spec.Zone { return spec.Zone{Source: b.source()} },
	identify: func(z *spec.Zone, a spec.Address, name string) { z.Address, z.Name = a, orDefault(z.Name, name) },
	typ:      zoneType,
	value: func(_ *evaluator, z *spec.Zone) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"address": cty.StringVal(string(z.Address)), "name": cty.StringVal(z.Name)})
	},
}).built("zone")

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

var capacityTable = body("capacity block",
	intField("vcpus", 1, 1<<20, func(c *spec.Capacity) *int { return &c.VCPUs }).is("cores that the host counts with"),
	sizeField("ram", 1, 1, func(c *spec.Capacity) *spec.MiB { return &c.RAM }).is("memory that the host counts with"),
	sizeField("disk", 1024, 1, func(c *spec.Capacity) *spec.MiB { return &c.Disk }).is("space that the host counts with"),
)

var fenceTable = body("fence block",
	textField("agent", func(f *spec.Fence) *string { return &f.Agent }).must().is("the fence agent's program: \"fence_ipmilan\", ..."),
	newField("options", "map of strings, may be sensitive", setFenceOptions).is("the agent's options"),
)

func setFenceOptions(a *arg, f *spec.Fence) {
	v, ok := a.evaluate()
	if !ok {
		return
	}
	if a.null = v.IsNull(); a.null {
		return
	}
	outer, _ := v.Unmark()
	if t := outer.Type(); !t.IsMapType() && !t.IsObjectType() || !outer.IsKnown() {
		if outer.IsKnown() {
			a.fail("Wrong type", "options wants a map of strings, this is %s.", friendly(v))
		}
		a.failed = true
		return
	}
	f.Options = map[string]spec.Secret{}
	for it := outer.ElementIterator(); it.Next(); {
		k, e := it.Element()
		k, _ = k.Unmark()
		if s, ok := a.secretText(e, "options."+k.AsString()); ok {
			f.Options[k.AsString()] = spec.NewSecret(s)
		}
	}
	a.null = false
}

func ratioFields[T any](at func(*T) *spec.Ratios) []field[T] {
	return []field[T]{
		ratioField("cpu_allocation_ratio", func(t *T) *float64 { return &at(t).CPU }).is("vCPUs promised per core; written nowhere: 16"),
		ratioField("ram_allocation_ratio", func(t *T) *float64 { return &at(t).RAM }).is("memory promised per memory; written nowhere: 1.5"),
		ratioField("disk_allocation_ratio", func(t *T) *float64 { return &at(t).Disk }).is("space promised per space; written nowhere: 1"),
	}
}

var hostTable = (&table[spec.Host]{
	kindName: "host",
	doc:      "A hypervisor host: where its libvirt answers and what may be put there.",
	fields: append([]field[spec.Host]{
		nameField(func(h *spec.Host) *string { return &h.Name }).or("the key, else the label"),
		textField("uri", func(h *spec.Host) *string { return &h.URI }).must().is("libvirt's address: qemu+ssh://root@kvm1/system, qemu:///system, qemu+tls://..., or sim://name").
			checked(func(a *arg, h *spec.Host) { a.checkURI(h.URI) }),
		textField("peer_uri", func(h *spec.Host) *string { return &h.PeerURI }).or("uri").is("how other hosts reach this one for migrations").
			checked(func(a *arg, h *spec.Host) { a.checkURI(h.PeerURI) }),
		refField("zone", "zone", func(h *spec.Host) *spec.Address { return &h.Zone }).is("the availability zone"),
		enumField("mode", []spec.Mode{spec.ModeActive, spec.ModeCordon, spec.ModeDrain, spec.ModeFenced}, nil, func(h *spec.Host) *spec.Mode { return &h.Mode }).
			or(`"active"`).is("active takes instances, cordon takes no new ones, drain is emptied, fenced is the operator's word that it is off").
			checked(func(a *arg, h *spec.Host) { h.ModeAt = a.decidedAt() }),
		textsField("labels", func(h *spec.Host) *map[string]string { return &h.Labels }).is("free text for people and expressions"),
		textsField("bridge_mappings", func(h *spec.Host) *map[string]string { return &h.BridgeMappings }).is("physical network to bridge on this host"),
		enumField("virt_type", []string{"kvm", "qemu"}, nil, func(h *spec.Host) *string { return &h.VirtType }).or("the best the host can do").is("hardware virtualisation or emulation"),
		sizeField("reserved_host_memory", 1, 0, func(h *spec.Host) *spec.MiB { return &h.ReservedMemory }).or("0").is("memory kept for the host itself"),
		intField("reserved_host_cpus", 0, 1<<20, func(h *spec.Host) *int { return &h.ReservedCPUs }).or("0").is("cores kept for the host itself"),
		sizeField("reserved_host_disk", 1024, 0, func(h *spec.Host) *spec.MiB { return &h.ReservedDisk }).or("0").is("space kept for the host itself in each of its own pools, not in shared ones"),
		textsField("capabilities", func(h *spec.Host) *map[string]string { return &h.Capabilities }).is("overrides and adds to what the host reports: arch, hypervisor_type, ..."),
	}, ratioFields(func(h *spec.Host) *spec.Ratios { return &h.Ratios })...),
	nested: []nested[spec.Host]{
		nest(blockInfo{name: "capacity", max: 1, doc: "overrides what the host reports"}, capacityTable, nil,
			func(h *spec.Host) { h.Capacity = nil }, func(a *arg, h *spec.Host, _ string, c spec.Capacity) { h.Capacity = &c }),
		nest(blockInfo{name: "fence", max: 1, doc: "how to make sure that the host is off"}, fenceTable, nil,
			func(h *spec.Host) { h.Fence = nil }, func(a *arg, h *spec.Host, _ string, f spec.Fence) { h.Fence = &f }),
	},
	start:    func(b *block) spec.Host { return spec.Host{Source: b.source(), Mode: spec.ModeActive} },
	identify: func(h *spec.Host, a spec.Address, name string) { h.Address, h.Name = a, orDefault(h.Name, name) },
	typ:      hostType,
	value:    hostValue,
}).built("host")

var aggregateTable = (&table[spec.Aggregate]{
	kindName: "aggregate",
	doc:      "A named set of hosts with metadata, as in Nova.",
	fields: append([]field[spec.Aggregate]{
		nameField(func(g *spec.Aggregate) *string { return &g.Name }),
		newField("hosts", "list of references to hosts", setAggregateHosts).is("its members"),
		textsField("metadata", func(g *spec.Aggregate) *map[string]string { return &g.Metadata }).is("what flavors ask for with aggregate_instance_extra_specs"),
		intField("max_io_ops_per_host", 1, 1<<20, func(g *spec.Aggregate) *int { return &g.MaxIOOps }).is("builds and migrations at once on each member"),
		intField("max_instances_per_host", 1, 1<<20, func(g *spec.Aggregate) *int { return &g.MaxInstances }).is("instances on each member"),
	}, ratioFields(func(g *spec.Aggregate) *spec.Ratios { return &g.Ratios })...),
	start:    func(b *block) spec.Aggregate { return spec.Aggregate{Source: b.source()} },
	identify: func(g *spec.Aggregate, a spec.Address, name string) { g.Address, g.Name = a, orDefault(g.Name, name) },
	typ:      aggregateType,
	value:    aggregateValue,
}).built("aggregate")

// setAggregateHosts reads a list of hosts, or of host maps and lists such as host.kvm.
func setAggregateHosts(a *arg, g *spec.Aggregate) {
	v, ok := a.plain()
	if !ok || a.null {
		return
	}
	if !v.CanIterateElements() || v.Type().Equals(hostType) {
		a.fail("Wrong type", "hosts wants a list of references to hosts, this is %s.", friendly(v))
		return
	}
	g.Hosts = make([]spec.Address, 0, v.LengthInt())
	seen := make(map[spec.Address]bool, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		addr, ok := a.referenceValue(e, "host")
		if !ok {
			return
		}
		if !seen[addr] {
			seen[addr] = true
			g.Hosts = append(g.Hosts, addr)
		}
	}
}

var poolTable = (&table[spec.Pool]{
	kindName: "pool",
	doc:      "A place for disks, present under the same path on every host.",
	fields: []field[spec.Pool]{
		nameField(func(p *spec.Pool) *string { return &p.Name }),
		enumField("type", []spec.PoolType{spec.PoolDir}, laterPools, func(p *spec.Pool) *spec.PoolType { return &p.Type }).or(`"dir"`).is("the kind of storage"),
		textField("path", func(p *spec.Pool) *string { return &p.Path }).must().is("the directory on the hosts").
			checked(func(a *arg, p *spec.Pool) {
				if len(p.Path) == 0 || p.Path[0] != '/' {
					a.invalid("The path of a pool is absolute, this is %q.", p.Path)
				}
			}),
		boolField("shared", func(p *spec.Pool) *bool { return &p.Shared }).or("false").is("the same storage on every host"),
	},
	start:    func(b *block) spec.Pool { return spec.Pool{Source: b.source(), Type: spec.PoolDir} },
	identify: func(p *spec.Pool, a spec.Address, name string) { p.Address, p.Name = a, orDefault(p.Name, name) },
	typ:      poolType,
	value:    poolValue,
}).built("pool")

var laterPools = map[string]string{
	"lvm": "LVM pools come later", "logical": "LVM pools come later", "rbd": "RBD pools come later",
	"iscsi": "iSCSI pools come later", "netfs": "mount it on the hosts and use a dir pool with shared = true",
	"zfs": "ZFS pools come later",
}

// decidedAt returns where the value was decided: at the variable's value in a file when the
// expression comes from one, else at the attribute.
func (a *arg) decidedAt() spec.Source {
	if v := a.ev.decisiveVariable(a.refs, map[string]bool{}); v != nil && v.at != (spec.Source{}) {
		return v.at
	}
	return sourceOf(a.rng)
}

// decisiveVariable finds the first variable with a given value behind refs, through locals.
func (ev *evaluator) decisiveVariable(refs []hcl.Traversal, seen map[string]bool) *variable {
	for _, t := range refs {
		name, ok := stepName(t, 1)
		if !ok {
			continue
		}
		switch t.RootName() {
		case "var":
			if v := ev.variables[name]; v != nil && v.given {
				return v
			}
		case "local":
			if l := ev.locals[name]; l != nil && !seen[name] {
				seen[name] = true
				if v := ev.decisiveVariable(l.item.refs, seen); v != nil {
					return v
				}
			}
		}
	}
	return nil
}

// stringMap makes a cty map of m.
func stringMap(m map[string]string) cty.Value {
	if len(m) == 0 {
		return cty.MapValEmpty(cty.String)
	}
	vals := make(map[string]cty.Value, len(m))
	for k, v := range m {
		vals[k] = cty.StringVal(v)
	}
	return cty.MapVal(vals)
}
