package lang

import (
	"encoding/json"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/novaplan/novaplan/spec"
)

// Decided is what only the planner and the hosts know about an instance. Outputs can read it.
type Decided struct {
	Host  spec.Address // "" while it isn't placed
	State string       // what it is doing; "" while it doesn't exist
	UUID  string
	NICs  []DecidedNIC // in the order of the instance's NICs
}

// DecidedNIC is what was assigned to a NIC.
type DecidedNIC struct {
	FixedIP, MAC string
}

// OutputValue is an evaluated output.
type OutputValue struct {
	Name        string
	Description string
	Sensitive   bool
	JSON        json.RawMessage // the value; it is there for sensitive outputs too
	Source      spec.Source
}

type output struct {
	name        string
	description string
	sensitive   bool
	value       attrItem
	rng         hcl.Range
}

var outputTable = (&table[output]{
	kindName: "output",
	doc:      "A value shown after apply. It can read what was decided about instances.",
	single:   true,
	fields: []field[output]{
		addressOnly(newField("value", "any", func(a *arg, o *output) {})).must().is("what is shown; `instance.web[0].host.name`, `.state`, `.uuid` and `.nic[0].fixed_ip` are known here"),
		textField("description", func(o *output) *string { return &o.description }).is("for people"),
		boolField("sensitive", func(o *output) *bool { return &o.sensitive }).or("false").is("shown as (sensitive); must be true for sensitive values"),
	},
}).built("output block")

var nicType = cty.Object(map[string]cty.Type{
	"name": cty.String, "network": networkType, "fixed_ip": cty.String, "mac": cty.String,
})

var instanceType = cty.Object(map[string]cty.Type{
	"address": cty.String, "name": cty.String, "state": cty.String, "uuid": cty.String, "host": hostType,
	"zone": zoneType, "flavor": flavorType, "image": imageType, "nic": cty.List(nicType), "metadata": cty.Map(cty.String),
})

// declareOutputs checks outputs as far as they can be before planning.
func (ev *evaluator) declareOutputs(blocks []*block) {
	seen := map[string]*block{}
	for _, b := range blocks {
		if old := seen[b.label]; old != nil {
			ev.errorf(b.def, "Duplicate output", "The output %q is at %s already.", b.label, place(old.def))
			continue
		}
		seen[b.label] = b
		o := &output{name: b.label, rng: b.def}
		decodeOne(ev, b, outputTable, o)
		item := b.content.attr(outputTable.sch, "value")
		if item == nil {
			continue
		}
		o.value = *item
		o.value.refs = references(item.expr)
		if ev.requireForOutput(o.value.refs) {
			ev.outputs = append(ev.outputs, o)
		}
	}
}

// requireForOutput is require, with instances allowed.
func (ev *evaluator) requireForOutput(refs []hcl.Traversal) bool {
	ok := true
	for _, t := range refs {
		if t.RootName() == "instance" {
			ok = ev.requireInstance(t) && ok
			continue
		}
		ok = ev.requireOne(t, nil, nil) && ok
	}
	return ok
}

// requireInstance checks that the instance that an output names is in the spec.
func (ev *evaluator) requireInstance(t hcl.Traversal) bool {
	if len(t) < 2 {
		return true
	}
	b, found := ev.findBlock(t, ev.kinds["instance"])
	if !found || b.failed || len(t) < 3 {
		return found
	}
	if idx, ok := t[2].(hcl.TraverseIndex); ok && b.repeat != once {
		_, found = ev.element(b, idx.Key, t.SourceRange())
	}
	return found
}

// checkedElements is how many elements a block of instances may have for its outputs to be checked one by one
// before planning. What is wrong with one is mostly wrong with all, and they are made a second time after apply.
const checkedElements = 1000

// checkOutputs evaluates the outputs as far as they can be before planning, with everything unknown that is
// decided later, so that a wrong name in one isn't found only when the work is done.
func (ev *evaluator) checkOutputs(s *spec.Spec) {
	budget := ev.budget
	var instances cty.Value
	for _, o := range ev.outputs {
		ctx := ev.context(o.value.refs).NewChild()
		ctx.Variables = map[string]cty.Value{}
		if usesInstances(o.value.refs) {
			if ev.failedInstances(o.value.refs) {
				continue // reported there
			}
			if instances == cty.NilVal {
				m := objectMaker{ev: ev, index: spec.NewIndex(s), cache: map[spec.Address]cty.Value{}, undecided: true}
				instances = m.blocks()
			}
			ctx.Variables["instance"] = instances
		}
		a := arg{ev: ev, expr: o.value.expr, rng: o.value.rng, name: "output." + o.name, refs: o.value.refs, ctx: ctx}
		o.evaluate(&a)
	}
	if ev.budget >= 0 {
		ev.budget = budget
	}
}

func usesInstances(refs []hcl.Traversal) bool {
	return slices.ContainsFunc(refs, func(t hcl.Traversal) bool { return t.RootName() == "instance" })
}

// failedInstances reports whether an instance block among refs, or any when all are meant, couldn't be decoded.
func (ev *evaluator) failedInstances(refs []hcl.Traversal) bool {
	k := ev.kinds["instance"]
	for _, t := range refs {
		if t.RootName() != "instance" {
			continue
		}
		if label, ok := stepName(t, 1); ok {
			if b := k.byLabel[label]; b == nil || b.failed {
				return true
			}
			continue
		}
		if slices.ContainsFunc(k.list, func(b *block) bool { return b.failed }) {
			return true
		}
	}
	return false
}

// Outputs evaluates the folder's outputs with what was decided. An instance that isn't in decided
// reads as null where the decision is asked for. It isn't safe for concurrent use.
func (f *Folder) Outputs(decided map[spec.Address]Decided) ([]OutputValue, hcl.Diagnostics) {
	ev := f.ev
	kept, errors := ev.diags, ev.errors
	ev.diags = nil
	defer func() { ev.diags, ev.errors = kept, errors }()
	ctx := ev.base.NewChild()
	ctx.Variables = map[string]cty.Value{}
	var out []OutputValue
	for _, o := range ev.outputs {
		for _, t := range o.value.refs {
			if t.RootName() == "instance" && ctx.Variables["instance"] == cty.NilVal {
				ctx.Variables["instance"] = f.instances(decided)
			}
		}
		parent := ev.context(o.value.refs)
		for name, v := range parent.Variables {
			if _, ok := ctx.Variables[name]; !ok {
				ctx.Variables[name] = v
			}
		}
		a := arg{ev: ev, expr: o.value.expr, rng: o.value.rng, name: "output." + o.name, refs: o.value.refs, ctx: ctx}
		if v, ok := o.evaluate(&a); ok {
			out = append(out, v)
		}
	}
	return out, ev.diags
}

func (o *output) evaluate(a *arg) (OutputValue, bool) {
	v, ok := a.evaluate()
	if !ok {
		return OutputValue{}, false
	}
	if v.ContainsMarked() && !o.sensitive {
		_, marks := v.UnmarkDeep()
		a.fail("Sensitive value", "%s is sensitive: the output needs sensitive = true.", markNames(marks))
		return OutputValue{}, false
	}
	v, _ = v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return OutputValue{}, false
	}
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		a.fail("Invalid output", "The value can't be written as JSON: %s.", err)
		return OutputValue{}, false
	}
	return OutputValue{Name: o.name, Description: o.description, Sensitive: o.sensitive, JSON: raw, Source: sourceOf(o.rng)}, true
}

// instances makes the object behind instance in outputs.
func (f *Folder) instances(decided map[spec.Address]Decided) cty.Value {
	m := objectMaker{ev: f.ev, index: spec.NewIndex(f.Spec), decided: decided, cache: map[spec.Address]cty.Value{}}
	return m.blocks()
}

// blocks makes the object that has the blocks of instances by their labels.
func (m *objectMaker) blocks() cty.Value {
	blocks := map[string]cty.Value{}
	for _, b := range m.ev.kinds["instance"].list {
		list, ok := b.out.([]spec.Instance)
		if !ok {
			continue
		}
		if m.undecided && len(list) > checkedElements {
			blocks[b.label] = cty.UnknownVal(map[repeat]cty.Type{byCount: cty.List(instanceType), byKey: cty.Map(instanceType)}[b.repeat])
			continue
		}
		switch b.repeat {
		case once:
			blocks[b.label] = m.instance(&list[0])
		case byCount:
			vals := make([]cty.Value, len(list))
			for i := range list {
				vals[i] = m.instance(&list[i])
			}
			blocks[b.label] = cty.ListValEmpty(instanceType)
			if len(vals) > 0 {
				blocks[b.label] = cty.ListVal(vals)
			}
		case byKey:
			vals := make(map[string]cty.Value, len(list))
			for i := range list {
				vals[b.keys[i]] = m.instance(&list[i])
			}
			blocks[b.label] = cty.MapValEmpty(instanceType)
			if len(vals) > 0 {
				blocks[b.label] = cty.MapVal(vals)
			}
		}
	}
	return cty.ObjectVal(blocks)
}

// objectMaker makes instance objects, sharing those of the blocks that they refer to.
type objectMaker struct {
	ev      *evaluator
	index   *spec.Index
	decided map[spec.Address]Decided
	cache   map[spec.Address]cty.Value
	// undecided: what is decided about instances isn't known yet, as opposed to "not decided".
	undecided bool
}

// decision is a text that was decided, null when it wasn't.
func (m *objectMaker) decision(s string) cty.Value {
	if s == "" && m.undecided {
		return cty.UnknownVal(cty.String)
	}
	return optional(s)
}

func shared[T any](m *objectMaker, addr spec.Address, in map[spec.Address]*T, typ cty.Type, make func(*evaluator, *T) cty.Value) cty.Value {
	if v, ok := m.cache[addr]; ok {
		return v
	}
	v := cty.NullVal(typ)
	if b := in[addr]; b != nil {
		v = make(m.ev, b)
		m.cache[addr] = v
	}
	return v
}

func (m *objectMaker) instance(i *spec.Instance) cty.Value {
	d := m.decided[i.Address]
	nics := make([]cty.Value, len(i.NICs))
	for n, nic := range i.NICs {
		ip, mac := nic.FixedIP, nic.MAC
		if n < len(d.NICs) {
			ip, mac = d.NICs[n].FixedIP, d.NICs[n].MAC
		}
		nics[n] = cty.ObjectVal(map[string]cty.Value{
			"name": str(nic.Name), "fixed_ip": m.decision(ip), "mac": m.decision(mac),
			"network": shared(m, nic.Network, m.index.Networks, networkType, networkValue),
		})
	}
	list := cty.ListValEmpty(nicType)
	if len(nics) > 0 {
		list = cty.ListVal(nics)
	}
	host := cty.UnknownVal(hostType)
	if !m.undecided {
		host = shared(m, d.Host, m.index.Hosts, hostType, hostValue)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"address": str(i.Address), "name": str(i.Name), "state": m.decision(d.State), "uuid": m.decision(d.UUID),
		"host": host, "nic": list, "metadata": stringMap(i.Metadata),
		"zone":   shared(m, i.Zone, m.index.Zones, zoneType, zoneTable.value),
		"flavor": shared(m, i.Flavor, m.index.Flavors, flavorType, flavorValue),
		"image":  shared(m, i.Image, m.index.Images, imageType, imageValue),
	})
}
