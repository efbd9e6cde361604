package lang

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/novaplan/novaplan/spec"
)

// variable is one declared variable.
type variable struct {
	name        string
	description string
	typ         cty.Type
	defaults    *typeexpr.Defaults
	def         hcl.Expression
	sensitive   bool
	notNull     bool
	validations []validation
	rng         hcl.Range

	value   cty.Value
	given   bool        // not the default
	at      spec.Source // of the given value, when it is in a file
	byFlag  bool
	subject hcl.Range // where a wrong value is reported
}

type validation struct {
	condition attrItem
	message   attrItem
	rng       hcl.Range
}

func exprField[T any](name, typ string, at func(*T) *attrItem) field[T] {
	return newField(name, typ, func(a *arg, dst *T) { *at(dst) = *a.item })
}

var validationTable = body("validation block",
	exprField("condition", "bool", func(v *validation) *attrItem { return &v.condition }).must().is("what must be true of the value"),
	exprField("error_message", "string", func(v *validation) *attrItem { return &v.message }).must().is("what to tell when it isn't"),
)

var variableTable = (&table[variable]{
	kindName: "variable",
	doc:      "A value that comes from outside: -var, -var-file, *.auto.npvars, NOVAPLAN_VAR_name, or the default.",
	single:   true,
	fields: []field[variable]{
		addressOnly(newField("type", "type", setVariableType)).or("any").is("string, number, bool, any, list(...), set(...), map(...), object({...}), tuple([...]), with optional(type, default)"),
		newField("default", "as type", func(a *arg, v *variable) { v.def = a.expr }).is("without it the variable must be given"),
		textField("description", func(v *variable) *string { return &v.description }).is("for people"),
		boolField("sensitive", func(v *variable) *bool { return &v.sensitive }).or("false").is("never shown"),
		newField("nullable", "bool", func(a *arg, v *variable) {
			if n, ok := a.boolean(); ok {
				v.notNull = !n
			}
		}).or("true").is("whether null is a value; otherwise it means the default"),
	},
	nested: []nested[variable]{
		nest(blockInfo{name: "validation", doc: "a condition on the value"}, validationTable, nil,
			func(v *variable) { v.validations = nil },
			func(a *arg, v *variable, _ string, n validation) {
				n.rng = a.rng
				if n.condition.expr != nil && n.message.expr != nil {
					v.validations = append(v.validations, n)
				}
			}),
	},
	later: map[string]string{"ephemeral": "ephemeral variables"},
}).built("variable block")

var typeWords = []string{"string", "number", "bool", "any"}

func setVariableType(a *arg, v *variable) {
	t, defaults, diags := typeexpr.TypeConstraintWithDefaults(a.expr)
	for _, d := range diags {
		if w := hcl.ExprAsKeyword(a.expr); w != "" {
			d.Detail += didYouMean(w, typeWords)
		}
		a.ev.add(d)
	}
	a.failed = diags.HasErrors()
	if !a.failed {
		v.typ, v.defaults = t, defaults
	}
}

// declare decodes variable blocks.
func (ev *evaluator) declare(blocks []*block) {
	for _, b := range blocks {
		v := variable{name: b.label, typ: cty.DynamicPseudoType, rng: b.def}
		if old, ok := ev.variables[b.label]; ok {
			ev.errorf(b.def, "Duplicate variable", "The variable %q is declared at %s already.", b.label, place(old.rng))
			continue
		}
		if !hclsyntax.ValidIdentifier(b.label) {
			ev.errorf(b.labelRng, "Invalid name", "A variable's name is a word of letters, digits, - and _.")
			continue
		}
		variableTable.fill(ev, b.content, scope{}, &v, func(bool) bool { return true })
		v.subject = v.rng
		ev.variables[b.label] = &v
	}
}

// settle gives every variable its value, and checks it.
func (ev *evaluator) settle(in *inputs) {
	for _, name := range sortedKeys(ev.variables) {
		ev.settleOne(ev.variables[name], in)
	}
	in.reportUnknown(ev)
	all := map[string]cty.Value{}
	for name, v := range ev.variables {
		all[name] = v.value
	}
	ev.base.Variables["var"] = cty.ObjectVal(all)
	for _, name := range sortedKeys(ev.variables) {
		ev.validate(ev.variables[name])
	}
}

func (ev *evaluator) settleOne(v *variable, in *inputs) {
	v.value = cty.DynamicVal
	raw, ok := in.find(ev, v)
	if !ok {
		if v.def == nil {
			if !in.failed[v.name] {
				ev.errorf(v.rng, "No value for variable", "The variable %q has no default: give it with -var %s=..., NOVAPLAN_VAR_%s or in a *.auto.npvars file.", v.name, v.name, v.name)
			}
			return
		}
		val, diags := ev.evaluate(v.def, nil)
		if diags.HasErrors() {
			ev.errorf(v.def.Range(), "Invalid default", "A default is a constant: it can't use variables or functions.")
			return
		}
		raw = val
		if !v.sensitive {
			v.subject = v.def.Range()
		}
	}
	val, err := ev.conform(v, raw)
	if err != nil {
		detail := fmt.Sprintf("The variable %q wants %s: %s.", v.name, typeexpr.TypeString(v.typ), err)
		if v.sensitive {
			detail = fmt.Sprintf("The variable %q wants %s. Its value isn't shown, because it is sensitive.", v.name, typeexpr.TypeString(v.typ))
		}
		ev.errorf(v.subject, "Wrong type of variable", "%s", detail)
		return
	}
	if v.sensitive {
		val = val.Mark(sensitive("var." + v.name))
	}
	v.value = val
}

func (ev *evaluator) conform(v *variable, val cty.Value) (cty.Value, error) {
	if val.IsNull() && v.notNull {
		if v.def != nil {
			val, _ = ev.evaluate(v.def, nil)
		}
		if val.IsNull() {
			return val, fmt.Errorf("it can't be null, because nullable is false")
		}
	}
	if v.defaults != nil && !val.IsNull() {
		val = v.defaults.Apply(val)
	}
	return convert.Convert(val, v.typ)
}

// validate evaluates the conditions of a variable.
func (ev *evaluator) validate(v *variable) {
	if !v.value.IsKnown() {
		return
	}
	for i := range v.validations {
		c := &v.validations[i]
		if !ev.onlyVariables(c.condition.refs) || !ev.onlyVariables(c.message.refs) {
			continue
		}
		a := arg{ev: ev, item: &c.condition, expr: c.condition.expr, rng: c.condition.rng, name: "condition", refs: c.condition.refs}
		val, ok := a.evaluate()
		if !ok {
			continue
		}
		val, _ = val.UnmarkDeep()
		if !val.IsKnown() {
			continue
		}
		val, err := convert.Convert(val, cty.Bool)
		if err != nil || val.IsNull() {
			a.fail("Wrong type", "The condition of a validation is true or false.")
			continue
		}
		if val.True() {
			continue
		}
		ev.errorf(v.subject, "Invalid value for variable", "%s\n\nThis was checked by the validation rule at %s.", ev.message(v, &c.message), place(c.rng))
	}
}

func (ev *evaluator) message(v *variable, item *attrItem) string {
	a := arg{ev: ev, item: item, expr: item.expr, rng: item.rng, name: "error_message", refs: item.refs}
	val, ok := a.evaluate()
	fallback := fmt.Sprintf("The value of var.%s is refused.", v.name)
	if !ok {
		return fallback
	}
	if val.ContainsMarked() {
		return fallback + " The error message isn't shown, because it contains a sensitive value."
	}
	s, err := convert.Convert(val, cty.String)
	if err != nil || s.IsNull() || !s.IsKnown() {
		return fallback
	}
	return strings.TrimSpace(s.AsString())
}

func (ev *evaluator) onlyVariables(refs []hcl.Traversal) bool {
	for _, t := range refs {
		if t.RootName() != "var" {
			ev.refError(t, "Invalid reference", "A validation can use variables and functions only.")
			return false
		}
		if !ev.requireVariable(t) {
			return false
		}
	}
	return true
}
