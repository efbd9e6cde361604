package lang

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/novaplan/novaplan/spec"
)

// run evaluates what was collected into s.
func (ev *evaluator) run(c *collected, in *inputs, version string, s *spec.Spec) {
	ev.declare(c.variables)
	ev.settle(in)
	slices.SortFunc(ev.localList, func(a, b *local) int {
		if c := strings.Compare(a.rng.Filename, b.rng.Filename); c != 0 {
			return c
		}
		return a.rng.Start.Byte - b.rng.Start.Byte
	})
	for _, l := range ev.localList {
		ev.evalLocal(l)
	}
	for _, b := range ev.kinds["instance"].list {
		ev.expand(b)
	}
	for _, k := range allKinds() {
		for _, b := range ev.kinds[k.name()].list {
			if ev.cancelled() {
				return
			}
			ev.evalBlock(b)
		}
	}
	ev.assemble(s)
	ev.settings(c, version, s)
	ev.declareOutputs(c.outputs)
	s.Moved = ev.evalMoved(c.moved)
	s.Removed = ev.evalRemoved(c.gone, s.Moved)
	ev.checkOutputs(s)
	ev.checkFolder(s)
}

// assemble puts the evaluated blocks into spec order.
func (ev *evaluator) assemble(s *spec.Spec) {
	s.Zones = gather[spec.Zone](ev, "zone")
	s.Hosts = gather[spec.Host](ev, "host")
	s.Aggregates = gather[spec.Aggregate](ev, "aggregate")
	s.Pools = gather[spec.Pool](ev, "pool")
	s.Flavors = gather[spec.Flavor](ev, "flavor")
	s.Images = gather[spec.Image](ev, "image")
	s.Networks = gather[spec.Network](ev, "network")
	s.Groups = gather[spec.ServerGroup](ev, "server_group")
	s.Keypairs = gather[spec.Keypair](ev, "keypair")
	s.Instances = gather[spec.Instance](ev, "instance")
}

func gather[T any](ev *evaluator, kind string) []T {
	list := ev.kinds[kind].list
	total := 0
	for _, b := range list {
		part, _ := b.out.([]T)
		total += len(part)
	}
	if len(list) == 1 {
		part, _ := list[0].out.([]T)
		return part
	}
	if total == 0 {
		return nil
	}
	all := make([]T, 0, total)
	for _, b := range list {
		part, _ := b.out.([]T)
		all = append(all, part...)
	}
	return all
}

// settings decodes the blocks that a folder has once.
func (ev *evaluator) settings(c *collected, version string, s *spec.Spec) {
	s.Fleet, s.Stack = "default", "default"
	if b := ev.one(c.novaplan, "novaplan"); b != nil {
		decodeOne(ev, b, settingsTable, s)
		if item := b.content.attr(settingsTable.sch, "required_version"); item != nil && s.RequiredVersion != "" {
			a := arg{ev: ev, item: item, expr: item.expr, rng: item.rng, name: "required_version", refs: item.refs}
			a.checkVersion(s.RequiredVersion, version)
		}
	}
	if b := ev.one(c.scheduler, "scheduler"); b != nil {
		s.Scheduler.Source = b.source()
		decodeOne(ev, b, schedulerTable, &s.Scheduler)
	}
	if b := ev.one(c.migration, "migration"); b != nil {
		s.Migration.Source = b.source()
		decodeOne(ev, b, migrationTable, &s.Migration)
	}
}

// decodeOne decodes a block that can't be repeated.
func decodeOne[T any](ev *evaluator, b *block, t *table[T], dst *T) {
	ev.prepare(b.content, t.sch, nil)
	t.fill(ev, b.content, scope{}, dst, func(bool) bool { return true })
	t.required(ev, b.content, article(t.sch.where))
}

// checkFolder checks what spans blocks.
func (ev *evaluator) checkFolder(s *spec.Spec) {
	uniqueNames(ev, "zone", s.Zones, func(z *spec.Zone) (spec.Address, string) { return z.Address, z.Name })
	uniqueNames(ev, "host", s.Hosts, func(h *spec.Host) (spec.Address, string) { return h.Address, h.Name })
	uniqueNames(ev, "aggregate", s.Aggregates, func(g *spec.Aggregate) (spec.Address, string) { return g.Address, g.Name })
	uniqueNames(ev, "pool", s.Pools, func(p *spec.Pool) (spec.Address, string) { return p.Address, p.Name })
	uniqueNames(ev, "flavor", s.Flavors, func(f *spec.Flavor) (spec.Address, string) { return f.Address, f.Name })
	uniqueNames(ev, "image", s.Images, func(i *spec.Image) (spec.Address, string) { return i.Address, i.Name })
	uniqueNames(ev, "network", s.Networks, func(n *spec.Network) (spec.Address, string) { return n.Address, n.Name })
	uniqueNames(ev, "server_group", s.Groups, func(g *spec.ServerGroup) (spec.Address, string) { return g.Address, g.Name })
	uniqueNames(ev, "keypair", s.Keypairs, func(k *spec.Keypair) (spec.Address, string) { return k.Address, k.Name })
	uniqueNames(ev, "instance", s.Instances, func(i *spec.Instance) (spec.Address, string) { return i.Address, i.Name })
	ev.checkHosts(s)
	ev.checkAddresses(s)
	ev.checkPools(s)
	ev.checkImages(s)
	ev.checkDependencies(s)
	ev.warnDrainByFlag(s)
}

func uniqueNames[T any](ev *evaluator, kind string, list []T, of func(*T) (spec.Address, string)) {
	seen := make(map[string]spec.Address, len(list))
	for i := range list {
		addr, name := of(&list[i])
		first, ok := seen[name]
		if !ok {
			seen[name] = addr
			continue
		}
		if name == "" {
			continue
		}
		rng, other := ev.attrOf(addr, "name"), ev.attrOf(first, "name")
		ev.errorOnce(rng, "Duplicate name", fmt.Sprintf("%s and %s (%s) are both named %q. Names are unique among %s blocks.", addr, first, place(other), name, kind))
	}
}

// attrOf returns where an attribute of the block with an address is written, or the block's head.
func (ev *evaluator) attrOf(addr spec.Address, field string) hcl.Range {
	b := ev.kinds[addr.Kind()].byLabel[addr.Label()]
	if item := b.content.attr(b.kind.schema(), field); item != nil {
		return item.expr.Range()
	}
	return b.def
}
