package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/novaplan/novaplan/spec"
)

// collected holds the blocks of a folder by what they are.
type collected struct {
	novaplan, scheduler, migration  []*block
	variables, outputs, moved, gone []*block
}

// allKinds returns the kinds of blocks that have addresses, in the order in which they are best
// evaluated: what is referred to comes first.
func allKinds() []kind {
	return []kind{zoneTable, poolTable, flavorTable, imageTable, networkTable, groupTable, keypairTable, hostTable, aggregateTable, instanceTable}
}

// laterBlocks are known blocks that this version doesn't have.
var laterBlocks = map[string]string{
	"module": "module blocks", "volume": "volume blocks", "snapshot": "snapshot blocks", "check": "check blocks",
	"data": "data blocks", "security_group": "security_group blocks", "backup": "backup blocks", "import": "import blocks",
	"auto_apply": "auto_apply blocks",
}

// foreignBlocks are Terraform's blocks that have no use here, and what is written instead.
var foreignBlocks = map[string]string{
	"resource":  `There are no resource blocks here: write instance "web" { ... }, network "lan" { ... } and so on.`,
	"provider":  "There are no providers here: hosts are reached by the uri in their host blocks. Remove the block.",
	"terraform": "There is no terraform block here: fleet and required_version are written in a novaplan block.",
}

// withoutLabel are the blocks that take no label.
var withoutLabel = map[string]bool{"novaplan": true, "locals": true, "scheduler": true, "migration": true, "moved": true, "removed": true}

func topSchema() *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, k := range allKinds() {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: k.name(), LabelNames: []string{"label"}})
	}
	for _, name := range []string{"variable", "output"} {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: name, LabelNames: []string{"name"}})
	}
	for _, name := range sortedKeys(withoutLabel) {
		if withoutLabel[name] {
			s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: name})
		}
	}
	for _, known := range []map[string]string{laterBlocks, foreignBlocks} {
		for _, name := range sortedKeys(known) {
			s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: name})
		}
	}
	return s
}

func blockNames() []string {
	var names []string
	for _, b := range topSchema().Blocks {
		names = append(names, b.Type)
	}
	return names
}

// collect takes the top-level blocks out of body.
func (c *collected) collect(ev *evaluator, body hcl.Body) {
	if native, ok := body.(*hclsyntax.Body); ok {
		for name, a := range native.Attributes {
			ev.errorf(a.NameRange, "Unexpected argument", "Arguments stand inside of blocks. For a named value write locals { %s = ... }.", name)
		}
		for _, b := range native.Blocks {
			c.block(ev, b.Type, b.Labels, b.LabelRanges, b.Body, b.TypeRange)
		}
		return
	}
	got, diags := body.Content(topSchema())
	for _, d := range diags {
		ev.add(d)
	}
	if got == nil {
		return
	}
	for _, b := range got.Blocks {
		c.block(ev, b.Type, b.Labels, b.LabelRanges, b.Body, b.TypeRange)
	}
}

func (c *collected) block(ev *evaluator, typ string, labels []string, labelRanges []hcl.Range, body hcl.Body, typeRng hcl.Range) {
	if later, ok := laterBlocks[typ]; ok {
		ev.errorf(typeRng, "Not supported yet", "%s: this version of novaplan doesn't have them. Remove the block for now.", later)
		return
	}
	if instead, ok := foreignBlocks[typ]; ok {
		ev.errorf(typeRng, "Unsupported block", "%s", instead)
		return
	}
	def := typeRng
	if n := len(labelRanges); n > 0 {
		def = hcl.RangeBetween(typeRng, labelRanges[n-1])
	}
	b := &block{def: def}
	noLabel := withoutLabel[typ]
	k, isKind := ev.kinds[typ]
	if !noLabel && !isKind && typ != "variable" && typ != "output" {
		ev.errorf(typeRng, "Unsupported block", "There is no block of type %q.%s", typ, didYouMean(typ, blockNames()))
		return
	}
	switch {
	case noLabel && len(labels) > 0:
		ev.errorf(labelRanges[0], "Too many labels", "A %s block takes no label.", typ)
		return
	case !noLabel && len(labels) != 1:
		ev.errorf(def, "Wrong number of labels", "A %s block takes one label: %s \"name\" { ... }.", typ, typ)
		return
	case !noLabel:
		b.label, b.labelRng = labels[0], labelRanges[0]
	}
	take := func(s *schema) {
		b.content = (&taker{diags: &ev.diags}).take(body, s, def, nil)
	}
	before := len(ev.diags)
	switch typ {
	case "novaplan":
		take(settingsTable.sch)
		c.novaplan = append(c.novaplan, b)
	case "scheduler":
		take(schedulerTable.sch)
		c.scheduler = append(c.scheduler, b)
	case "migration":
		take(migrationTable.sch)
		c.migration = append(c.migration, b)
	case "moved":
		take(movedTable.sch)
		c.moved = append(c.moved, b)
	case "removed":
		take(removedTable.sch)
		c.gone = append(c.gone, b)
	case "variable":
		take(variableTable.sch)
		c.variables = append(c.variables, b)
	case "output":
		take(outputTable.sch)
		c.outputs = append(c.outputs, b)
	case "locals":
		ev.collectLocals(body)
	default:
		take(k.kind.schema())
		c.addressed(ev, b, k)
	}
	for _, d := range ev.diags[before:] {
		if d.Severity == hcl.DiagError {
			ev.errors++
		}
	}
}

func (c *collected) addressed(ev *evaluator, b *block, k *kindBlocks) {
	b.kind = k.kind
	b.address = spec.NewAddress(k.kind.name(), b.label)
	if b.label == "" {
		ev.errorf(b.labelRng, "Invalid label", "A label can't be empty.")
		return
	}
	if old := k.byLabel[b.label]; old != nil {
		ev.errorf(b.def, "Duplicate "+k.kind.name(), "There is a block %s %q already, at %s. Was the file copied?", k.kind.name(), b.label, place(old.def))
		return
	}
	k.byLabel[b.label] = b
	k.list = append(k.list, b)
	k.left++
}

func (ev *evaluator) collectLocals(body hcl.Body) {
	attrs, diags := body.JustAttributes()
	for _, d := range diags {
		ev.add(d)
	}
	for name, a := range attrs {
		if old := ev.locals[name]; old != nil {
			first, second := old.rng, a.NameRange
			if first.Filename == second.Filename && first.Start.Byte > second.Start.Byte {
				first, second = second, first
			}
			ev.errorf(second, "Duplicate local value", "The local value %q is at %s already.", name, place(first))
			continue
		}
		l := &local{name: name, item: newAttrItem(0, a.Expr, a.Range, nil, false), rng: a.NameRange}
		ev.locals[name] = l
		ev.localList = append(ev.localList, l)
	}
}

// one returns the only block of a kind that can be written once.
func (ev *evaluator) one(blocks []*block, typ string) *block {
	for _, b := range blocks[min(1, len(blocks)):] {
		ev.errorf(b.def, "Duplicate "+typ, "%s", fmt.Sprintf("There is a %s block already, at %s.", typ, place(blocks[0].def)))
	}
	if len(blocks) == 0 {
		return nil
	}
	return blocks[0]
}
