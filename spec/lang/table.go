package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/novaplan/novaplan/spec"
)

// kind is one type of top-level block that has an address, with its Go type hidden.
type kind interface {
	name() string
	schema() *schema
	decode(ev *evaluator, b *block)
	// object returns the type and the value that a reference to element i of b evaluates to.
	objectType() cty.Type
	object(ev *evaluator, b *block, i int) cty.Value
}

// field is one attribute of T and how it is read.
type field[T any] struct {
	fieldInfo
	set func(a *arg, dst *T)
}

// nested is one kind of nested block of T.
type nested[T any] struct {
	blockInfo
	clear func(dst *T)
	add   func(ev *evaluator, it *blockItem, sc scope, dst *T)
}

// table describes a block: what may be written in it, and how it is decoded to a T.
type table[T any] struct {
	kindName string
	doc      string
	fields   []field[T]
	nested   []nested[T]
	later    map[string]string
	single   bool // can't be repeated

	start    func(b *block) T
	identify func(dst *T, address spec.Address, name string)
	finish   func(c *checker, dst *T) // relations between attributes
	typ      cty.Type
	value    func(ev *evaluator, src *T) cty.Value

	sch *schema
}

// built returns t with its schema made.
func (t *table[T]) built(where string) *table[T] {
	var fields []fieldInfo
	for _, f := range t.fields {
		fields = append(fields, f.fieldInfo)
	}
	if !t.single {
		fields = append(fields, repeatFields...)
	}
	var blocks []blockInfo
	for _, n := range t.nested {
		blocks = append(blocks, n.blockInfo)
	}
	t.sch = newSchema(where, fields, blocks, t.later)
	return t
}

func (t *table[T]) name() string         { return t.kindName }
func (t *table[T]) schema() *schema      { return t.sch }
func (t *table[T]) objectType() cty.Type { return t.typ }

func (t *table[T]) object(ev *evaluator, b *block, i int) cty.Value {
	return t.value(ev, &b.out.([]T)[i])
}

// body is a table for a nested block.
func body[N any](where string, fields ...field[N]) *table[N] {
	return (&table[N]{fields: fields, single: true}).built(where)
}

// nest makes inner a nested block of T. Clear undoes all adds.
func nest[T, N any](info blockInfo, inner *table[N], start func() N, clear func(*T), add func(a *arg, dst *T, label string, n N)) nested[T] {
	info.schema = inner.sch
	return nested[T]{blockInfo: info, clear: clear, add: func(ev *evaluator, it *blockItem, sc scope, dst *T) {
		var n N
		if start != nil {
			n = start()
		}
		inner.fill(ev, it.content, sc, &n, func(perKey bool) bool { return true })
		inner.required(ev, it.content, article(inner.sch.where))
		a := arg{ev: ev, scope: sc, expr: hcl.StaticExpr(cty.NilVal, it.def), rng: it.def, name: info.name}
		label := it.label
		if sc.label != nil {
			label = *sc.label
		}
		add(&a, dst, label, n)
	}}
}

// decode evaluates a block: first what all its elements share, then per element the rest.
func (t *table[T]) decode(ev *evaluator, b *block) {
	c := b.content
	if !ev.expand(b) {
		b.failed = true
		return
	}
	before := ev.errors
	proto := t.start(b)
	sc := scope{block: b}
	t.fill(ev, c, sc, &proto, func(perKey bool) bool { return !perKey })
	t.required(ev, c, b.title())

	out := make([]T, b.size())
	differs := c.perKey()
	ck := &checker{ev: ev, block: b}
	for i := range out {
		if i%1024 == 1023 && ev.cancelled() {
			break
		}
		v := proto
		t.identify(&v, b.elementAddress(i), b.elementName(i))
		if differs {
			t.fill(ev, c, sc.forKey(i), &v, func(perKey bool) bool { return perKey })
		}
		if t.finish != nil && ev.errors == before {
			ck.element = i
			t.finish(ck, &v)
		}
		out[i] = v
	}
	b.out = out
	b.failed = ev.errors > before
}

// fill sets the attributes and nested blocks that want says.
func (t *table[T]) fill(ev *evaluator, c *content, sc scope, dst *T, want func(perKey bool) bool) {
	for i := range c.attrs {
		item := &c.attrs[i]
		if item.broken || item.field >= len(t.fields) || !want(item.perKey) {
			continue
		}
		f := &t.fields[item.field]
		a := arg{ev: ev, scope: sc, item: item, expr: item.expr, rng: item.rng, name: f.name, refs: item.refs}
		f.set(&a, dst)
		if a.null && f.required && !a.failed {
			a.fail("Missing argument", "The argument %q is required, so that it can't be null.", f.name)
		}
		if a.failed && item.perKey {
			item.broken = true // once is enough; it would fail for every key
		}
	}
	for n := range t.nested {
		t.fillNested(ev, c, n, sc, dst, want)
	}
}

func (t *table[T]) fillNested(ev *evaluator, c *content, n int, sc scope, dst *T, want func(perKey bool) bool) {
	any, perKey := false, false
	for i := range c.blocks {
		if c.blocks[i].nested == n {
			any = true
			perKey = perKey || c.blocks[i].perKey
		}
	}
	if !any || !want(perKey) {
		return
	}
	nb := &t.nested[n]
	nb.clear(dst)
	made := 0
	for i := range c.blocks {
		it := &c.blocks[i]
		if it.nested != n {
			continue
		}
		ev.eachDynamic(it, sc, func(sc scope) {
			if made++; nb.max > 0 && made > nb.max && it.dynamic != nil {
				ev.errorf(it.def, "Duplicate block", "Only one %s block is possible here, and this dynamic block makes more.", nb.name)
				return
			}
			nb.add(ev, it, sc, dst)
		})
	}
}

// required reports the attributes that aren't written in a block. In JSON many blocks may be in one line.
func (t *table[T]) required(ev *evaluator, c *content, block string) {
	for i := range t.fields {
		f := &t.fields[i]
		if !f.required {
			continue
		}
		if c.attr(t.sch, f.name) == nil {
			ev.missing(c.end, "Missing argument", fmt.Sprintf("The argument %q is required in %s, and it isn't written. It is %s.", f.name, block, f.doc))
		}
	}
}
