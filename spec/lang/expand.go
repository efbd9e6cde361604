package lang

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// scope is where an attribute is evaluated: in which element of which block, and inside which
// dynamic blocks.
type scope struct {
	block   *block
	perKey  bool
	key     int
	dynamic map[string]cty.Value // iterators
	label   *string              // of the nested block that a dynamic block makes
}

func (s scope) forKey(i int) scope {
	s.perKey, s.key = true, i
	return s
}

// bind adds count, each and iterators to ctx.
func (s scope) bind(ctx *hcl.EvalContext) *hcl.EvalContext {
	if (!s.perKey || s.block == nil || s.block.repeat == once) && s.dynamic == nil {
		return ctx
	}
	child := ctx.NewChild()
	child.Variables = make(map[string]cty.Value, 1+len(s.dynamic))
	if s.perKey && s.block != nil {
		switch s.block.repeat {
		case byCount:
			child.Variables["count"] = cty.ObjectVal(map[string]cty.Value{"index": cty.NumberIntVal(int64(s.key))})
		case byKey:
			child.Variables["each"] = cty.ObjectVal(map[string]cty.Value{
				"key": cty.StringVal(s.block.keys[s.key]), "value": s.block.values[s.key]})
		}
	}
	for name, v := range s.dynamic {
		child.Variables[name] = v
	}
	return child
}

// expand resolves what the block refers to and evaluates count or for_each, once. It reports false
// when that failed.
func (ev *evaluator) expand(b *block) bool {
	if !b.expanded && !b.failed {
		ev.prepare(b.content, b.kind.schema(), b)
		b.expanded = ev.repeatBlock(b)
		b.failed = !b.expanded
	}
	return b.expanded
}

func (ev *evaluator) repeatBlock(b *block) bool {
	s := b.kind.schema()
	b.repeat = b.repetition()
	count, each := b.content.attr(s, "count"), b.content.attr(s, "for_each")
	switch {
	case count != nil && each != nil:
		ev.errorf(each.rng, "Both count and for_each", "A block is repeated by count or by for_each, not by both. count is at %s.", place(count.rng))
		return false
	case count != nil:
		return ev.expandCount(b, count)
	case each != nil:
		return ev.expandEach(b, each)
	}
	return true
}

func (ev *evaluator) expandCount(b *block, item *attrItem) bool {
	if item.broken {
		return false
	}
	a := arg{ev: ev, item: item, expr: item.expr, rng: item.rng, name: "count", refs: item.refs}
	n, ok := a.integer(0, int64(ev.lim.Elements))
	if a.null {
		a.fail("Invalid count", "count can't be null.")
		return false
	}
	b.count = int(n)
	return ok
}

func (ev *evaluator) expandEach(b *block, item *attrItem) bool {
	if item.broken {
		return false
	}
	a := arg{ev: ev, item: item, expr: item.expr, rng: item.rng, name: "for_each", refs: item.refs}
	v, ok := a.plain()
	if !ok {
		return false
	}
	if a.null {
		a.fail("Invalid for_each", "for_each can't be null.")
		return false
	}
	t := v.Type()
	set := t.IsSetType() && t.ElementType() == cty.String
	if !set && !t.IsMapType() && !t.IsObjectType() {
		hint := ""
		switch {
		case t.IsSetType() && t.ElementType().IsPrimitiveType():
			hint = " Make strings of them: toset([for x in ... : tostring(x)])."
		case t.IsTupleType() || t.IsListType() || t.IsSetType():
			hint = " Write toset(...) around a list of strings, or { for x in ... : x.name => x }."
		}
		a.fail("Invalid for_each", "for_each wants a map, an object or a set of strings, this is %s.%s", friendly(v), hint)
		return false
	}
	if n := v.LengthInt(); n > ev.lim.Elements {
		a.fail("Too many elements", "for_each is limited to %d elements, this has %d.", ev.lim.Elements, n)
		return false
	}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if set {
			if e.IsNull() {
				a.fail("Invalid for_each", "A set for for_each can't contain null.")
				return false
			}
			k = e
		}
		b.keys = append(b.keys, k.AsString())
		b.values = append(b.values, e)
	}
	if !slices.IsSorted(b.keys) { // cty iterates in key order
		a.fail("Invalid for_each", "The keys aren't in order.")
		return false
	}
	return true
}

// repetition tells from what is written how a block is repeated.
func (b *block) repetition() repeat {
	s := b.kind.schema()
	switch {
	case b.content.attr(s, "count") != nil:
		return byCount
	case b.content.attr(s, "for_each") != nil:
		return byKey
	}
	return once
}

// eachDynamic calls add once for a written block, and once per element for a dynamic one.
func (ev *evaluator) eachDynamic(it *blockItem, sc scope, add func(scope)) {
	if it.dynamic == nil {
		add(sc)
		return
	}
	item := &it.dynamic.forEach
	if item.broken {
		return
	}
	a := arg{ev: ev, scope: sc, item: item, expr: item.expr, rng: item.rng, name: "for_each", refs: item.refs}
	v, ok := a.plain()
	if !ok {
		return
	}
	if a.null || !v.CanIterateElements() {
		a.fail("Invalid for_each", "for_each of a dynamic block wants a list, set or map, this is %s.", friendly(v))
		return
	}
	for e := v.ElementIterator(); e.Next(); {
		key, val := e.Element()
		if v.Type().IsSetType() {
			key = val
		}
		inner := sc
		inner.dynamic = map[string]cty.Value{}
		for k, d := range sc.dynamic {
			inner.dynamic[k] = d
		}
		inner.dynamic[it.dynamic.iterator] = cty.ObjectVal(map[string]cty.Value{"key": key, "value": val})
		if it.labelExpr != nil && !ev.dynamicLabel(it, &inner) {
			return
		}
		add(inner)
		if ev.iterate() != nil {
			return
		}
	}
}

func (ev *evaluator) dynamicLabel(it *blockItem, sc *scope) bool {
	item := it.labelExpr
	if item.broken {
		return false
	}
	a := arg{ev: ev, scope: *sc, item: item, expr: item.expr, rng: item.rng, name: "labels", refs: item.refs}
	v, ok := a.plain()
	if !ok {
		return false
	}
	list, err := convert.Convert(v, cty.List(cty.String))
	if err != nil || list.IsNull() || list.LengthInt() != 1 || list.AsValueSlice()[0].IsNull() {
		a.fail("Invalid labels", "labels wants a list of one string.")
		return false
	}
	label := list.AsValueSlice()[0].AsString()
	sc.label = &label
	return true
}

// iterate spends one step of the folder's budget.
func (ev *evaluator) iterate() error {
	ev.budget--
	if ev.budget < 0 {
		return fmt.Errorf("the for expressions and ranges of a folder are limited to %d steps in all", ev.lim.Iterations)
	}
	if ev.budget%1024 == 0 {
		return ev.ctx.Err()
	}
	return nil
}

// friendly describes a value in a message: its type, and itself when it is short and plain.
func friendly(v cty.Value) string {
	v, marks := v.Unmark()
	t := v.Type()
	switch {
	case len(marks) > 0:
		return "a sensitive " + t.FriendlyName()
	case v.IsNull():
		return "null"
	case !v.IsKnown():
		return "unknown"
	case t == cty.String:
		if s := v.AsString(); len(s) < 60 {
			return fmt.Sprintf("the string %q", s)
		}
		return "a string"
	case t == cty.Number:
		return "the number " + numberText(v.AsBigFloat())
	case t == cty.Bool:
		return fmt.Sprintf("%t", v.True())
	}
	if name, ok := referenceType(v); ok {
		return "the " + name
	}
	switch {
	case t.IsTupleType():
		return fmt.Sprintf("a list of %d", t.Length())
	case t.IsObjectType():
		return "an object"
	}
	return article(t.FriendlyName())
}

func numberText(f *big.Float) string { return f.Text('g', 12) }
