package lang

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/novaplan/novaplan/spec"
)

// moved and removed blocks name what was there before, so their addresses needn't exist.

type movedBlock struct {
	from, to hcl.Expression
}

func keepExpr[T any](name string, at func(*T) *hcl.Expression) field[T] {
	return addressOnly(newField(name, "address", func(a *arg, dst *T) { *at(dst) = a.expr }))
}

var movedTable = body("moved block",
	keepExpr("from", func(m *movedBlock) *hcl.Expression { return &m.from }).must().is("the old address"),
	keepExpr("to", func(m *movedBlock) *hcl.Expression { return &m.to }).must().is("the new address"),
)

type removedBlock struct {
	from    hcl.Expression
	destroy bool
}

type removedLifecycle struct{ destroy bool }

var removedLifecycleTable = body("lifecycle block",
	boolField("destroy", func(l *removedLifecycle) *bool { return &l.destroy }).or("false").is("whether it is destroyed too"),
)

var removedTable = (&table[removedBlock]{
	kindName: "removed",
	single:   true,
	fields: []field[removedBlock]{
		keepExpr("from", func(r *removedBlock) *hcl.Expression { return &r.from }).must().is("what is forgotten"),
		boolField("destroy", func(r *removedBlock) *bool { return &r.destroy }).or("false").is("whether it is destroyed too"),
	},
	nested: []nested[removedBlock]{
		nest(blockInfo{name: "lifecycle", max: 1, doc: "Terraform's way to write destroy"}, removedLifecycleTable, nil,
			func(r *removedBlock) {}, func(a *arg, r *removedBlock, _ string, l removedLifecycle) { r.destroy = l.destroy }),
	},
}).built("removed block")

// freeAddress reads an address without asking whether it exists.
func (ev *evaluator) freeAddress(expr hcl.Expression, what string) (spec.Address, bool) {
	bad := func() (spec.Address, bool) {
		ev.errorOnce(expr.Range(), "Invalid address", what+" wants an address such as instance.web, instance.web[0] or instance.db[\"primary\"], written as it is, without quotes.")
		return "", false
	}
	t, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() || len(t) < 2 || len(t) > 3 {
		return bad()
	}
	label, ok := stepName(t, 1)
	if !ok {
		return bad()
	}
	kind := t.RootName()
	if ev.kinds[kind] == nil {
		ev.errorOnce(expr.Range(), "Invalid address", fmt.Sprintf("There is no kind of block called %s.%s", kind, didYouMean(kind, sortedKeys(ev.kinds))))
		return "", false
	}
	addr := spec.NewAddress(kind, label)
	if len(t) == 2 {
		return addr, true
	}
	idx, ok := t[2].(hcl.TraverseIndex)
	if !ok {
		return bad()
	}
	if idx.Key.Type() == cty.Number {
		n, _ := idx.Key.AsBigFloat().Int64()
		if n < 0 {
			return bad()
		}
		return addr.Index(int(n)), true
	}
	return addr.Key(idx.Key.AsString()), true
}

// exists finds what addr names: the block, and whether that element is there.
func (ev *evaluator) exists(addr spec.Address) (blockThere, elementThere bool) {
	k := ev.kinds[addr.Kind()]
	b := k.byLabel[addr.Label()]
	if b == nil {
		return false, false
	}
	if !b.expanded {
		return true, true // not known; reported where it failed
	}
	if addr == b.address {
		return true, true
	}
	key := strings.TrimPrefix(string(addr), string(b.address))
	for i := range b.size() {
		if b.repeat != once && strings.HasSuffix(string(b.elementAddress(i)), key) {
			return true, true
		}
	}
	return true, false
}

// evalMoved checks the moved blocks and returns them.
func (ev *evaluator) evalMoved(blocks []*block) []spec.Moved {
	var out []spec.Moved
	from, to := map[spec.Address]hcl.Range{}, map[spec.Address]hcl.Range{}
	for _, b := range blocks {
		var m movedBlock
		movedTable.fill(ev, b.content, scope{block: b}, &m, func(bool) bool { return true })
		movedTable.required(ev, b.content, "a moved block")
		if m.from == nil || m.to == nil {
			continue
		}
		f, ok1 := ev.freeAddress(m.from, "from")
		t, ok2 := ev.freeAddress(m.to, "to")
		if !ok1 || !ok2 || !ev.checkMove(m, f, t, from, to) {
			continue
		}
		from[f], to[t] = m.from.Range(), m.to.Range()
		out = append(out, spec.Moved{From: f, To: t, Source: b.source()})
	}
	return ev.checkChains(out, from)
}

func (ev *evaluator) checkMove(m movedBlock, f, t spec.Address, from, to map[spec.Address]hcl.Range) bool {
	_, fromThere := ev.exists(f)
	toBlock, toThere := ev.exists(t)
	switch {
	case f.Kind() != t.Kind():
		ev.errorf(m.to.Range(), "Invalid move", "%s can't become %s: a block keeps its kind.", f, t)
	case f == t:
		ev.errorf(m.to.Range(), "Invalid move", "%s is moved to itself.", f)
	case duplicate(from, f):
		ev.errorf(m.from.Range(), "Invalid move", "%s is moved twice; the other move is at %s.", f, place(from[f]))
	case duplicate(to, t):
		ev.errorf(m.to.Range(), "Invalid move", "Two blocks are moved to %s; the other move is at %s.", t, place(to[t]))
	case fromThere && !ev.becameRepeated(f, t):
		ev.errorf(m.from.Range(), "Invalid move", "%s is still in the spec. A move names an address that isn't there any more.", f)
	case toBlock && !toThere:
		ev.errorf(m.to.Range(), "Invalid move", "There is no %s: the block is there, but not that element.", t)
	default:
		return true
	}
	return false
}

// becameRepeated tells the move of web to web[0], whose from is now the whole block.
func (ev *evaluator) becameRepeated(f, t spec.Address) bool {
	b := ev.kinds[f.Kind()].byLabel[f.Label()]
	return b != nil && f == b.address && t != b.address && t.Block() == b.address && b.repeat != once
}

func duplicate[K comparable, V any](m map[K]V, k K) bool {
	_, ok := m[k]
	return ok
}

// checkChains follows a -> b -> c, refuses cycles, and wants the end of each chain to exist.
func (ev *evaluator) checkChains(moves []spec.Moved, from map[spec.Address]hcl.Range) []spec.Moved {
	next := map[spec.Address]spec.Address{}
	for _, m := range moves {
		next[m.From] = m.To
	}
	for _, m := range moves {
		chain := []string{string(m.From)}
		at := m.To
		for step := 0; ; step++ {
			chain = append(chain, string(at))
			n, ok := next[at]
			if !ok {
				break
			}
			if step > len(moves) {
				slices.Sort(chain)
				ev.errorOnce(from[m.From], "Cycle of moves", fmt.Sprintf("%s is moved in a circle.", m.From))
				break
			}
			at = n
		}
		if _, there := ev.exists(at); !there && next[at] == "" {
			ev.errorOnce(from[m.From], "Invalid move", fmt.Sprintf("%s moves to %s, which isn't in the spec.%s", m.From, at, ev.nearAddress(at)))
		}
	}
	return moves
}

func (ev *evaluator) nearAddress(a spec.Address) string {
	var addresses []string
	for _, b := range ev.kinds[a.Kind()].list {
		addresses = append(addresses, string(b.address))
	}
	return didYouMean(string(a.Block()), addresses)
}

// evalRemoved checks the removed blocks and returns them.
func (ev *evaluator) evalRemoved(blocks []*block, moves []spec.Moved) []spec.Removed {
	var out []spec.Removed
	seen := map[spec.Address]hcl.Range{}
	for _, b := range blocks {
		var r removedBlock
		removedTable.fill(ev, b.content, scope{block: b}, &r, func(bool) bool { return true })
		removedTable.required(ev, b.content, "a moved block")
		if r.from == nil {
			continue
		}
		f, ok := ev.freeAddress(r.from, "from")
		if !ok {
			continue
		}
		_, there := ev.exists(f)
		switch {
		case there:
			ev.errorf(r.from.Range(), "Invalid removal", "%s is still in the spec. Delete its block too.", f)
			continue
		case duplicate(seen, f):
			ev.errorf(r.from.Range(), "Invalid removal", "%s is removed twice; the other is at %s.", f, place(seen[f]))
			continue
		case slices.ContainsFunc(moves, func(m spec.Moved) bool { return m.From == f }):
			ev.errorf(r.from.Range(), "Invalid removal", "%s is moved as well as removed.", f)
			continue
		}
		seen[f] = r.from.Range()
		out = append(out, spec.Removed{From: f, Destroy: r.destroy, Source: b.source()})
	}
	return out
}
