package lang

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/novaplan/novaplan/spec"
)

// arg is one attribute being read for one element of a block.
type arg struct {
	ev    *evaluator
	scope scope
	item  *attrItem
	expr  hcl.Expression
	rng   hcl.Range
	name  string
	refs  []hcl.Traversal

	ctx    *hcl.EvalContext
	null   bool // the value is null: as if it weren't written
	failed bool
}

// sensitive is the mark of a value that may be shown to nobody; it says where it comes from.
type sensitive string

func (a *arg) context() *hcl.EvalContext {
	if a.ctx == nil {
		a.ctx = a.scope.bind(a.ev.context(a.refs))
	}
	return a.ctx
}

// fail reports a mistake in the attribute's value.
func (a *arg) fail(summary, format string, args ...any) {
	if a.failed {
		return
	}
	a.failed = true
	r := a.expr.Range()
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &r}
	if len(a.refs) > 0 {
		d.Expression, d.EvalContext = a.expr, a.context()
	}
	a.ev.add(d)
}

// invalid reports a value outside of what the attribute takes.
func (a *arg) invalid(format string, args ...any) {
	a.fail("Invalid value for "+a.name, format, args...)
}

// evaluate returns the value as it is, marks included.
func (a *arg) evaluate() (cty.Value, bool) {
	switch e := a.expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return e.Val, true
	case *hclsyntax.TemplateExpr:
		if e.IsStringLiteral() {
			return e.Parts[0].(*hclsyntax.LiteralValueExpr).Val, true
		}
	}
	if a.ev.cancelled() {
		return cty.DynamicVal, false
	}
	v, diags := a.ev.evaluate(a.expr, a.context())
	if diags.HasErrors() {
		a.failed = true
		a.report(diags)
		return cty.DynamicVal, false
	}
	return v, true
}

// report adds what evaluation complained about, without what could quote a sensitive value. A for expression
// complains once per element; that is told once.
func (a *arg) report(diags hcl.Diagnostics) {
	secret := a.sensitiveRefs()
	told := map[string]bool{}
	for _, d := range diags {
		if d.Subject != nil {
			key := d.Subject.String() + d.Summary
			if told[key] {
				continue
			}
			told[key] = true
		}
		d = a.ev.hinted(d)
		if len(secret) > 0 && d.Subject != nil {
			d = &hcl.Diagnostic{Severity: d.Severity, Summary: d.Summary, Subject: d.Subject,
				Detail: fmt.Sprintf("The details are withheld, because %s is sensitive.", oneOf(secret))}
		}
		a.ev.add(d)
	}
}

// sensitiveRefs names the sensitive values that the expression mentions.
func (a *arg) sensitiveRefs() []string {
	var names []string
	ctx := a.context()
	for _, t := range a.refs {
		v, diags := t.TraverseAbs(ctx)
		if !diags.HasErrors() && v.ContainsMarked() {
			names = append(names, traversalText(t))
		}
	}
	return names
}

func traversalText(t hcl.Traversal) string {
	var b strings.Builder
	for i, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			b.WriteString("[" + keyText(t[i].(hcl.TraverseIndex).Key) + "]")
		}
	}
	return b.String()
}

// plain returns a known value without marks. A sensitive one is a mistake; null sets a.null.
func (a *arg) plain() (cty.Value, bool) {
	v, ok := a.evaluate()
	if !ok {
		return v, false
	}
	if v.Type().IsPrimitiveType() && !v.IsMarked() && v.IsKnown() {
		a.null = v.IsNull()
		return v, true
	}
	if v.ContainsMarked() {
		_, marks := v.UnmarkDeep()
		a.fail("Sensitive value", "%s is sensitive and would become readable in %s. Sensitive values may be used in user_data, fence options and sensitive outputs only.", markNames(marks), a.name)
		return v, false
	}
	a.null = v.IsNull()
	if !a.null && !v.IsWhollyKnown() {
		a.failed = true
		a.ev.unknown(a)
		return v, false
	}
	return v, true
}

// unknown is called for a value that isn't known because what it comes from failed, which was
// reported there.
func (ev *evaluator) unknown(a *arg) {
	if ev.errors == 0 {
		a.failed = false
		a.fail("Value not known", "The value of %s isn't known.", a.name)
		return
	}
	ev.errors++ // its user failed as well
}

func markNames(marks cty.ValueMarks) string {
	var names []string
	for m := range marks {
		if s, ok := m.(sensitive); ok {
			names = append(names, string(s))
		}
	}
	slices.Sort(names)
	return oneOf(names)
}

// as returns the value converted to typ. ok is false for null too.
func (a *arg) as(typ cty.Type) (cty.Value, bool) {
	v, ok := a.plain()
	if !ok || a.null {
		return v, false
	}
	return a.convert(v, typ)
}

func (a *arg) convert(v cty.Value, typ cty.Type) (cty.Value, bool) {
	if v.Type() == typ {
		return v, true
	}
	c, err := convert.Convert(v, typ)
	if err != nil {
		hint := ""
		if kind, ok := referenceType(v); ok {
			hint = fmt.Sprintf(" Its name is %s.name.", kind)
		}
		a.fail("Wrong type", "%s wants %s, this is %s.%s", a.name, article(typ.FriendlyName()), friendly(v), hint)
		return v, false
	}
	return c, true
}

func (a *arg) text() (string, bool) {
	v, ok := a.as(cty.String)
	if !ok {
		return "", false
	}
	return v.AsString(), true
}

func (a *arg) boolean() (bool, bool) {
	v, ok := a.as(cty.Bool)
	if !ok {
		return false, false
	}
	return v.True(), true
}

func (a *arg) integer(low, high int64) (int64, bool) {
	v, ok := a.as(cty.Number)
	if !ok {
		return 0, false
	}
	f := v.AsBigFloat()
	n, acc := f.Int64()
	if acc != big.Exact || n < low || n > high {
		a.invalid("%s wants a whole number from %d to %d, this is %s.", a.name, low, high, numberText(f))
		return 0, false
	}
	return n, true
}

func (a *arg) float() (float64, bool) {
	v, ok := a.as(cty.Number)
	if !ok {
		return 0, false
	}
	f, _ := v.AsBigFloat().Float64()
	return f, true
}

// texts reads a map of strings. Numbers and bools are written as text.
func (a *arg) texts() (map[string]string, bool) {
	v, ok := a.plain()
	if !ok || a.null {
		return nil, false
	}
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		a.fail("Wrong type", "%s wants a map of strings, this is %s.", a.name, friendly(v))
		return nil, false
	}
	m := make(map[string]string, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		s, err := convert.Convert(e, cty.String)
		if err != nil || s.IsNull() {
			a.fail("Wrong type", "%s wants a map of strings, but %q is %s.", a.name, k.AsString(), friendly(e))
			return nil, false
		}
		m[k.AsString()] = s.AsString()
	}
	return m, true
}

// list returns the elements of a list, set or tuple.
func (a *arg) list() ([]cty.Value, bool) {
	v, ok := a.plain()
	if !ok || a.null {
		return nil, false
	}
	if t := v.Type(); !t.IsListType() && !t.IsSetType() && !t.IsTupleType() {
		a.fail("Wrong type", "%s wants a list, this is %s.", a.name, friendly(v))
		return nil, false
	}
	return v.AsValueSlice(), true
}

// reference reads a reference to a block of kind.
func (a *arg) reference(kind string) (spec.Address, bool) {
	if e, ok := a.expr.(*hclsyntax.ScopeTraversalExpr); ok && e.Traversal.RootName() == kind && !e.Traversal.IsRelative() {
		if addr, ok, sure := a.directReference(e.Traversal, kind); sure {
			return addr, ok
		}
	}
	v, ok := a.plain()
	if !ok || a.null {
		return "", false
	}
	return a.referenceValue(v, kind)
}

// directReference reads kind.label and kind.label[key] without evaluating them.
func (a *arg) directReference(t hcl.Traversal, kind string) (addr spec.Address, ok, sure bool) {
	label, isName := stepName(t, 1)
	if !isName {
		return "", false, false
	}
	b := a.ev.kinds[kind].byLabel[label]
	if b == nil {
		return "", false, false
	}
	if b.out == nil || b.failed && b.repeat != once {
		a.failed = true
		a.ev.errors++ // reported where it failed
		return "", false, true
	}
	switch {
	case len(t) == 2 && b.repeat == once:
		return b.address, true, true
	case len(t) == 3 && b.repeat != once:
		if idx, isIndex := t[2].(hcl.TraverseIndex); isIndex {
			i, found := a.ev.element(b, idx.Key, t.SourceRange())
			a.failed = !found
			if !found {
				return "", false, true
			}
			return b.elementAddress(i), true, true
		}
	}
	return "", false, false
}

// referenceValue reads the address out of the object that a reference evaluates to.
func (a *arg) referenceValue(v cty.Value, kind string) (spec.Address, bool) {
	if v.IsNull() {
		a.fail("Wrong type", "%s wants a reference to %s, this is null.", a.name, article(kind))
		return "", false
	}
	k := a.ev.kinds[kind]
	if v.Type().Equals(k.kind.objectType()) {
		return spec.Address(v.GetAttr("address").AsString()), true
	}
	hint := ""
	t := v.Type()
	switch {
	case t == cty.String:
		hint = a.referenceHint(k, v.AsString())
	case t.IsListType() && t.ElementType().Equals(k.kind.objectType()):
		hint = " The block has count: pick one with [0]."
	case t.IsMapType() && t.ElementType().Equals(k.kind.objectType()):
		hint = " The block has for_each: pick one with [\"key\"]."
	}
	a.fail("Wrong type", "%s wants a reference to %s block, this is %s.%s", a.name, article(kind), friendly(v), hint)
	return "", false
}

// referenceHint says what to write instead of a string.
func (a *arg) referenceHint(k *kindBlocks, s string) string {
	if k.byLabel[s] != nil {
		return fmt.Sprintf(" Write %s, without quotes.", spec.NewAddress(k.kind.name(), s))
	}
	if addr, err := spec.ParseAddress(s); err == nil && addr.Kind() == k.kind.name() {
		return fmt.Sprintf(" Write %s, without quotes.", addr)
	}
	for _, b := range k.list {
		if b.repeat == byKey {
			if _, ok := slices.BinarySearch(b.keys, s); ok {
				return fmt.Sprintf(" Write %s, without quotes.", b.address.Key(s))
			}
		}
	}
	return fmt.Sprintf(" Write %s.label for a block %s \"label\".", k.kind.name(), k.kind.name())
}
