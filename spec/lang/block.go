package lang

import (
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/novaplan/novaplan/spec"
)

// progress of a node of the reference graph.
type progress int

const (
	waiting progress = iota
	running
	finished
)

// repeat says how a block is repeated.
type repeat int

const (
	once repeat = iota
	byCount
	byKey
)

// block is one top-level block with an address.
type block struct {
	kind     kind
	label    string
	address  spec.Address
	def      hcl.Range // type and labels
	labelRng hcl.Range
	content  *content

	state  progress
	failed bool
	// expanded says that repeat, keys and count are known. Instances are expanded before any is
	// decoded, because they name each other.
	expanded bool
	repeat   repeat
	keys     []string    // byKey, sorted
	values   []cty.Value // byKey, beside keys
	count    int         // byCount
	out      any         // []T, beside keys
	cached   *cty.Value
}

// size returns how many elements the block has.
func (b *block) size() int {
	switch b.repeat {
	case byCount:
		return b.count
	case byKey:
		return len(b.keys)
	}
	return 1
}

func (b *block) elementAddress(i int) spec.Address {
	switch b.repeat {
	case byCount:
		return b.address.Index(i)
	case byKey:
		return b.address.Key(b.keys[i])
	}
	return b.address
}

// elementName is the default name: the label, with the number or key behind it. A host made with
// for_each is simply called by its key.
func (b *block) elementName(i int) string {
	switch {
	case b.repeat == byCount:
		return b.label + "-" + strconv.Itoa(i)
	case b.repeat == byKey && b.kind.name() == "host":
		return b.keys[i]
	case b.repeat == byKey:
		return b.label + "-" + b.keys[i]
	}
	return b.label
}

func (b *block) source() spec.Source { return sourceOf(b.def) }

func sourceOf(r hcl.Range) spec.Source {
	return spec.Source{File: r.Filename, Line: r.Start.Line}
}

// title is how messages call the block.
func (b *block) title() string { return string(b.address) }

// value returns what a reference to the whole block evaluates to.
func (b *block) value(ev *evaluator) cty.Value {
	if b.cached == nil {
		v := b.makeValue(ev)
		b.cached = &v
	}
	return *b.cached
}

func (b *block) makeValue(ev *evaluator) cty.Value {
	if b.state != finished || b.out == nil {
		return cty.DynamicVal
	}
	typ := b.kind.objectType()
	if typ == cty.NilType {
		return cty.DynamicVal
	}
	one := func(i int) cty.Value {
		if b.failed {
			return cty.UnknownVal(typ)
		}
		return b.kind.object(ev, b, i)
	}
	switch b.repeat {
	case byCount:
		if b.count == 0 {
			return cty.ListValEmpty(typ)
		}
		vals := make([]cty.Value, b.count)
		for i := range vals {
			vals[i] = one(i)
		}
		return cty.ListVal(vals)
	case byKey:
		if len(b.keys) == 0 {
			return cty.MapValEmpty(typ)
		}
		vals := make(map[string]cty.Value, len(b.keys))
		for i, k := range b.keys {
			vals[k] = one(i)
		}
		return cty.MapVal(vals)
	}
	return one(0)
}

// slug turns s into a name that a guest can have as its host name.
func slug(s string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '-'
	}, s)
	if out = strings.Trim(out, "-."); out == "" {
		return "x"
	}
	return out
}
