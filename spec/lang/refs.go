package lang

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/novaplan/novaplan/spec"
)

// laterRoots are references that mean something once later blocks exist.
var laterRoots = map[string]string{
	"module": "module blocks", "volume": "volume blocks", "snapshot": "snapshot blocks", "data": "data blocks",
	"security_group": "security_group blocks", "plan": "what a plan knows", "check": "check blocks",
}

// stepName returns step i of a traversal when it is a name: an attribute or a string index.
func stepName(t hcl.Traversal, i int) (string, bool) {
	if i >= len(t) {
		return "", false
	}
	switch s := t[i].(type) {
	case hcl.TraverseAttr:
		return s.Name, true
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString(), true
		}
	}
	return "", false
}

// prepare resolves what the attributes of c refer to and evaluates it first. It goes into nested
// blocks too.
func (ev *evaluator) prepare(c *content, s *schema, b *block) { ev.prepareIn(c, s, b, nil) }

func (ev *evaluator) prepareIn(c *content, s *schema, b *block, iterators []string) {
	for i := range c.attrs {
		item := &c.attrs[i]
		item.broken = !ev.require(item.refs, b, iterators)
	}
	for i := range c.blocks {
		it := &c.blocks[i]
		inner := iterators
		if it.dynamic != nil {
			it.dynamic.forEach.broken = !ev.require(it.dynamic.forEach.refs, b, iterators)
			inner = append(slices.Clone(iterators), it.dynamic.iterator)
			if it.labelExpr != nil {
				it.labelExpr.broken = !ev.require(it.labelExpr.refs, b, inner)
			}
		}
		ev.prepareIn(it.content, s.blocks[it.nested].schema, b, inner)
	}
}

// require checks that what refs name exists, and evaluates it. It reports false when something
// doesn't exist; what exists but failed is unknown instead, so that one mistake is reported once.
func (ev *evaluator) require(refs []hcl.Traversal, b *block, iterators []string) bool {
	ok := true
	for _, t := range refs {
		ok = ev.requireOne(t, b, iterators) && ok
	}
	return ok
}

func (ev *evaluator) requireOne(t hcl.Traversal, b *block, iterators []string) bool {
	root := t.RootName()
	if slices.Contains(iterators, root) {
		return true
	}
	switch root {
	case "var":
		return ev.requireVariable(t)
	case "local":
		return ev.requireLocal(t)
	case "count", "each":
		return ev.requireRepeat(t, b)
	case "instance":
		ev.refError(t, "Not known here", "What the planner decides about instances can be read in output blocks only. same_host, different_host, depends_on and moved take addresses of instances.")
		return false
	}
	if k, ok := ev.kinds[root]; ok {
		return ev.requireBlock(t, k)
	}
	if later, ok := laterRoots[root]; ok {
		ev.refError(t, "Not supported yet", "%s: this version of novaplan doesn't have them.", later)
		return false
	}
	ev.unknownRoot(t)
	return false
}

func (ev *evaluator) refError(t hcl.Traversal, summary, format string, args ...any) {
	r := t.SourceRange()
	ev.errorOnce(r, summary, fmt.Sprintf(format, args...))
}

func (ev *evaluator) unknownRoot(t hcl.Traversal) {
	root := t.RootName()
	candidates := append([]string{"var", "local", "count", "each"}, sortedKeys(ev.kinds)...)
	hint := didYouMean(root, candidates)
	switch {
	case root == "path" || root == "terraform" || root == "self":
		hint = " Paths are relative to the folder of the spec already."
		if root == "self" {
			hint = ""
		}
	case hint == "" && len(t) == 1:
		hint = fmt.Sprintf(" If it is meant as a text, write it in quotes: %q.", root)
	}
	ev.refError(t, "Unknown reference", "Nothing is called %s here.%s", root, hint)
}

func (ev *evaluator) requireVariable(t hcl.Traversal) bool {
	name, ok := stepName(t, 1)
	if !ok {
		return true // the whole of var
	}
	if ev.variables[name] == nil {
		ev.missing(t.SourceRange(), "Unknown variable", fmt.Sprintf("There is no variable %q.%s", name, didYouMeanIn("var.", name, sortedKeys(ev.variables))))
		return false
	}
	return true
}

func didYouMeanIn(prefix, name string, candidates []string) string {
	hint := didYouMean(name, candidates)
	if hint == "" {
		return ""
	}
	const lead = " Did you mean "
	return lead + prefix + hint[len(lead):]
}

func (ev *evaluator) requireLocal(t hcl.Traversal) bool {
	name, ok := stepName(t, 1)
	if !ok {
		for _, l := range ev.localList {
			ev.evalLocal(l)
		}
		return true
	}
	l := ev.locals[name]
	if l == nil {
		ev.missing(t.SourceRange(), "Unknown local value", fmt.Sprintf("There is no local value %q.%s", name, didYouMeanIn("local.", name, sortedKeys(ev.locals))))
		return false
	}
	ev.evalLocal(l)
	return true
}

func (ev *evaluator) requireRepeat(t hcl.Traversal, b *block) bool {
	root := t.RootName()
	field, _ := stepName(t, 1)
	want := map[string][]string{"count": {"index"}, "each": {"key", "value"}}[root]
	attribute := map[string]string{"count": "count", "each": "for_each"}[root]
	if b == nil || b.repetition() != map[string]repeat{"count": byCount, "each": byKey}[root] {
		ev.refError(t, "Unknown reference", "%s has a value only in a block with %s.", root, attribute)
		return false
	}
	if !slices.Contains(want, field) {
		ev.refError(t, "Unknown reference", "%s has only %s.", root, oneOf(prefixed(root+".", want)))
		return false
	}
	return true
}

func prefixed(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = prefix + n
	}
	return out
}

func (ev *evaluator) requireBlock(t hcl.Traversal, k *kindBlocks) bool {
	if len(t) < 2 {
		for _, b := range k.list {
			ev.evalBlock(b)
		}
		return true
	}
	b, ok := ev.findBlock(t, k)
	if !ok {
		return false
	}
	ev.evalBlock(b)
	if b.failed || len(t) < 3 {
		return true
	}
	idx, ok := t[2].(hcl.TraverseIndex)
	if !ok || b.repeat == once && idx.Key.Type() == cty.String && b.kind.objectType().HasAttribute(idx.Key.AsString()) {
		return true
	}
	_, ok = ev.element(b, idx.Key, t.SourceRange())
	return ok
}

// findBlock returns the block that t names.
func (ev *evaluator) findBlock(t hcl.Traversal, k *kindBlocks) (*block, bool) {
	label, ok := stepName(t, 1)
	if !ok {
		ev.refError(t, "Invalid reference", "A block is named %s.label or %s[\"label\"].", k.kind.name(), k.kind.name())
		return nil, false
	}
	b := k.byLabel[label]
	if b == nil {
		ev.noSuchBlock(t.SourceRange(), k, label)
		return nil, false
	}
	return b, true
}

func (ev *evaluator) noSuchBlock(rng hcl.Range, k *kindBlocks, label string) {
	name := k.kind.name()
	var hint string
	if len(k.list) < 5000 {
		var addresses []string
		for _, b := range k.list {
			addresses = append(addresses, string(b.address))
		}
		hint = didYouMean(string(spec.NewAddress(name, label)), addresses)
	}
	if len(k.list) == 0 {
		hint = fmt.Sprintf(" The folder has no %s block.", name)
	}
	ev.missing(rng, "Unknown "+name, fmt.Sprintf("There is no block %s %q.%s", name, label, hint))
}

// element returns the index of the element of b that key names.
func (ev *evaluator) element(b *block, key cty.Value, rng hcl.Range) (int, bool) {
	switch b.repeat {
	case byCount:
		if key.Type() == cty.Number {
			if n, acc := key.AsBigFloat().Int64(); acc == big.Exact && n >= 0 && n < int64(b.count) {
				return int(n), true
			}
		}
		if b.count == 0 {
			ev.errorOnce(rng, "Unknown "+b.kind.name(), fmt.Sprintf("%s has count = 0, so that it has no elements.", b.title()))
			break
		}
		ev.errorOnce(rng, "Unknown "+b.kind.name(), fmt.Sprintf("%s has count = %d: its elements are [0] to [%d], there is no [%s].", b.title(), b.count, b.count-1, keyText(key)))
	case byKey:
		if key.Type() == cty.String {
			if i, ok := slices.BinarySearch(b.keys, key.AsString()); ok {
				return i, true
			}
		}
		hint := ""
		if key.Type() == cty.String {
			hint = didYouMean(key.AsString(), b.keys)
		}
		ev.errorOnce(rng, "Unknown "+b.kind.name(), fmt.Sprintf("%s has for_each, and no key %s.%s", b.title(), keyText(key), hint))
	default:
		ev.errorOnce(rng, "Unknown "+b.kind.name(), fmt.Sprintf("%s has neither count nor for_each: write %s without an index.", b.title(), b.title()))
	}
	return 0, false
}

func keyText(key cty.Value) string {
	switch {
	case key.IsNull() || !key.IsKnown():
		return "null"
	case key.Type() == cty.Number:
		return numberText(key.AsBigFloat())
	case key.Type() == cty.String:
		return strconv.Quote(key.AsString())
	}
	return "?"
}

// place in an address: a block and, when it names one element, its index.
type target struct {
	block   *block
	element int
	whole   bool // the block with all its elements
}

func (t target) address() spec.Address {
	if t.whole {
		return t.block.address
	}
	return t.block.elementAddress(t.element)
}

// addressOf reads expr as the address of a block: kind.label, with an index or without. Of the
// block only its repetition must be known.
func (ev *evaluator) addressOf(a *arg, expr hcl.Expression, kinds ...string) (target, bool) {
	t, key, ok := ev.splitAddress(a, expr)
	if !ok {
		return target{}, false
	}
	k := ev.kinds[t.RootName()]
	if k == nil || !slices.Contains(kinds, t.RootName()) {
		ev.errorOnce(expr.Range(), "Invalid address", fmt.Sprintf("%s wants the address of %s block.", a.name, article(oneOf(kinds))))
		return target{}, false
	}
	b, ok := ev.findBlock(t, k)
	if !ok {
		return target{}, false
	}
	if !b.expanded || b.state != running && b.failed && b.out == nil {
		ev.errors++ // reported where it failed
		return target{}, false
	}
	if key == cty.NilVal {
		return target{block: b, whole: b.repeat != once}, true
	}
	i, ok := ev.element(b, key, expr.Range())
	return target{block: b, element: i}, ok
}

// splitAddress returns the traversal kind.label and the key behind it, if any.
func (ev *evaluator) splitAddress(a *arg, expr hcl.Expression) (hcl.Traversal, cty.Value, bool) {
	bad := func() (hcl.Traversal, cty.Value, bool) {
		ev.errorOnce(expr.Range(), "Invalid address", fmt.Sprintf("%s wants an address such as instance.web, instance.web[0] or instance.db[\"primary\"], written as it is, without quotes.", a.name))
		return nil, cty.NilVal, false
	}
	key := cty.NilVal
	if ix, ok := expr.(*hclsyntax.IndexExpr); ok { // instance.web[count.index]
		inner := arg{ev: ev, scope: a.scope, expr: ix.Key, rng: a.rng, name: a.name, refs: ix.Key.Variables()}
		k, ok := inner.plain()
		if !ok || inner.null {
			return nil, cty.NilVal, false
		}
		key, expr = k, ix.Collection
	}
	t, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() || len(t) < 2 || len(t) > 3 {
		return bad()
	}
	if len(t) == 3 {
		idx, ok := t[2].(hcl.TraverseIndex)
		if !ok || key != cty.NilVal {
			return bad()
		}
		key = idx.Key
	}
	return t[:2], key, true
}
