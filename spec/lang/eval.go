package lang

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// evaluator holds everything of one Load.
type evaluator struct {
	ctx   context.Context
	dir   string
	lim   Limits
	diags hcl.Diagnostics
	// errors counts what was reported, so that a caller can tell whether something failed in between.
	errors int
	seen   map[string]bool   // for errorOnce
	budget int               // iterations left
	reads  map[string][]byte // see Folder.Reads
	// partial says that a file didn't parse: what seems to be missing may be there.
	partial bool
	// stopReported says that the budget ran out and that this was reported.
	stopReported bool

	base      *hcl.EvalContext // functions and every complete root
	variables map[string]*variable
	locals    map[string]*local
	localList []*local
	outputs   []*output
	kinds     map[string]*kindBlocks
	path      []node // what is being evaluated, outermost first
}

// kindBlocks holds the blocks of one kind.
type kindBlocks struct {
	kind    kind
	list    []*block // spec order
	byLabel map[string]*block
	left    int // not yet evaluated
}

// local is one local value.
type local struct {
	name  string
	item  attrItem
	rng   hcl.Range
	state progress
	value cty.Value
}

// node is a step of the path being evaluated, for naming cycles.
type node struct {
	name string
	rng  hcl.Range
}

func (ev *evaluator) cancelled() bool { return ev.ctx.Err() != nil }

func (ev *evaluator) add(d *hcl.Diagnostic) {
	ev.diags = append(ev.diags, d)
	if d.Severity == hcl.DiagError {
		ev.errors++
	}
}

func (ev *evaluator) errorf(rng hcl.Range, summary, format string, args ...any) {
	ev.add(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &rng})
}

func (ev *evaluator) warnf(rng hcl.Range, summary, format string, args ...any) {
	ev.add(&hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &rng})
}

// errorOnce reports the same mistake at the same place only once, however many elements make it.
func (ev *evaluator) errorOnce(rng hcl.Range, summary, detail string) {
	key := fmt.Sprintf("%s:%d %s %s", rng.Filename, rng.Start.Byte, summary, detail)
	if ev.seen[key] {
		ev.errors++
		return
	}
	ev.seen[key] = true
	ev.errorf(rng, summary, "%s", detail)
}

// missing reports something that isn't there, unless it may be in a part that didn't parse.
func (ev *evaluator) missing(rng hcl.Range, summary, detail string) {
	if ev.partial {
		ev.errors++
		return
	}
	ev.errorOnce(rng, summary, detail)
}

// enter puts a node on the path. It reports false when the chain of references is too long.
func (ev *evaluator) enter(name string, rng hcl.Range) bool {
	ev.path = append(ev.path, node{name, rng})
	if len(ev.path) > ev.lim.References {
		ev.errorOnce(rng, "Chain of references too long", fmt.Sprintf("A chain of references is limited to %d.", ev.lim.References))
		return false
	}
	return true
}

func (ev *evaluator) leave() { ev.path = ev.path[:len(ev.path)-1] }

// cycle reports that name, which is being evaluated, is needed to evaluate itself.
func (ev *evaluator) cycle(name string) {
	start := 0
	for i, n := range ev.path {
		if n.name == name {
			start = i
			break
		}
	}
	var names, places []string
	for _, n := range ev.path[start:] {
		names = append(names, n.name)
		places = append(places, fmt.Sprintf("%s is at %s", n.name, place(n.rng)))
	}
	names = append(names, name)
	detail := fmt.Sprintf("%s. %s.", strings.Join(names, " -> "), strings.Join(places, ", "))
	ev.errorOnce(ev.path[start].rng, "Reference cycle", detail)
}

// evalLocal evaluates a local value, once.
func (ev *evaluator) evalLocal(l *local) {
	name := "local." + l.name
	switch l.state {
	case finished:
		return
	case running:
		ev.cycle(name)
		return
	}
	l.state = running
	l.value = cty.DynamicVal
	if ev.enter(name, l.rng) && ev.require(l.item.refs, nil, nil) {
		a := arg{ev: ev, expr: l.item.expr, rng: l.rng, name: name, refs: l.item.refs}
		if v, ok := a.evaluate(); ok && ev.fits(v, &a) {
			l.value = v
		}
	}
	ev.leave()
	l.state = finished
}

// fits refuses values that grew out of all proportion, as by doubling a string again and again.
func (ev *evaluator) fits(v cty.Value, a *arg) bool {
	if left := spend(v, ev.lim.Value); left < 0 {
		a.fail("Value too large", "A local value is limited to %d characters and elements.", ev.lim.Value)
		return false
	}
	return true
}

func spend(v cty.Value, left int) int {
	v, _ = v.Unmark()
	if left < 0 || !v.IsKnown() || v.IsNull() {
		return left - 1
	}
	switch {
	case v.Type() == cty.String:
		return left - 1 - len(v.AsString())
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next() && left >= 0; {
			_, e := it.Element()
			left = spend(e, left-1)
		}
	}
	return left - 1
}

// evalBlock evaluates a block with all its elements, once.
func (ev *evaluator) evalBlock(b *block) {
	switch b.state {
	case finished:
		return
	case running:
		ev.cycle(b.title())
		return
	}
	b.state = running
	if ev.enter(b.title(), b.def) && !ev.cancelled() {
		b.kind.decode(ev, b)
	} else {
		b.failed = true
	}
	ev.leave()
	b.state = finished
	ev.kinds[b.kind.name()].left--
}

// context returns a context in which refs can be evaluated. All must have been required.
func (ev *evaluator) context(refs []hcl.Traversal) *hcl.EvalContext {
	var partial *hcl.EvalContext
	for _, t := range refs {
		root := t.RootName()
		if _, ok := ev.base.Variables[root]; ok {
			continue
		}
		v, complete, known := ev.root(root, refs)
		switch {
		case !known: // count, each, an iterator: the caller's
		case complete:
			ev.base.Variables[root] = v
		default:
			if partial == nil {
				partial = ev.base.NewChild()
				partial.Variables = map[string]cty.Value{}
			}
			partial.Variables[root] = v
		}
	}
	if partial != nil {
		return partial
	}
	return ev.base
}

// root returns the value of a root name: complete when everything below it is evaluated, else only
// with what refs mention.
func (ev *evaluator) root(root string, refs []hcl.Traversal) (v cty.Value, complete, known bool) {
	if root == "local" {
		return ev.localRoot(refs)
	}
	k, ok := ev.kinds[root]
	if !ok || root == "instance" {
		return cty.NilVal, false, false
	}
	attrs := map[string]cty.Value{}
	if k.left == 0 {
		for _, b := range k.list {
			attrs[b.label] = b.value(ev)
		}
		return cty.ObjectVal(attrs), true, true
	}
	for _, t := range refs {
		if t.RootName() != root {
			continue
		}
		if label, ok := stepName(t, 1); ok {
			if b := k.byLabel[label]; b != nil {
				attrs[label] = b.value(ev)
			}
		}
	}
	return cty.ObjectVal(attrs), false, true
}

func (ev *evaluator) localRoot(refs []hcl.Traversal) (v cty.Value, complete, known bool) {
	attrs := map[string]cty.Value{}
	complete = true
	for _, l := range ev.localList {
		if l.state != finished {
			complete = false
			break
		}
	}
	if complete {
		for _, l := range ev.localList {
			attrs[l.name] = l.value
		}
		return cty.ObjectVal(attrs), true, true
	}
	for _, t := range refs {
		if name, ok := stepName(t, 1); ok && t.RootName() == "local" {
			if l := ev.locals[name]; l != nil {
				attrs[name] = l.value
			}
		}
	}
	return cty.ObjectVal(attrs), false, true
}
