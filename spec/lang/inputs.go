package lang

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/novaplan/novaplan/spec"
)

// EnvPrefix starts the names of environment variables that give values to variables.
const EnvPrefix = "NOVAPLAN_VAR_"

// inputs are the values that come from outside, before they are matched with declared variables.
type inputs struct {
	env    map[string]string
	auto   []valueFile // *.auto.npvars, in name order
	files  []valueFile // -var-file, as given
	flags  map[string]string
	failed map[string]bool // given, but not readable
}

type valueFile struct {
	name  string
	attrs hcl.Attributes
}

// findInputs reads the variable files of the folder and those named by the options.
func (ld *loader) findInputs() *inputs {
	in := &inputs{env: map[string]string{}, flags: ld.opts.Vars, failed: map[string]bool{}}
	for _, e := range ld.opts.Env {
		if name, value, ok := strings.Cut(e, "="); ok && strings.HasPrefix(name, EnvPrefix) {
			in.env[strings.TrimPrefix(name, EnvPrefix)] = value
		}
	}
	for _, name := range ld.varNames {
		if attrs, ok := ld.valueFile(name, filepath.Join(ld.dir, name)); ok {
			in.auto = append(in.auto, valueFile{name, attrs})
		}
	}
	for _, name := range ld.opts.VarFiles {
		if attrs, ok := ld.valueFile(name, name); ok {
			in.files = append(in.files, valueFile{name, attrs})
		}
	}
	return in
}

func (ld *loader) valueFile(name, path string) (hcl.Attributes, bool) {
	src, ok := ld.read(name, path)
	if !ok {
		return nil, false
	}
	f := ld.parse(name, src)
	if f == nil {
		return nil, false
	}
	attrs, diags := f.Body.JustAttributes()
	for _, d := range diags {
		ld.ev.add(d)
	}
	return attrs, !diags.HasErrors()
}

// find returns the value of v that wins: flag, file, automatic file, environment.
func (in *inputs) find(ev *evaluator, v *variable) (cty.Value, bool) {
	if raw, ok := in.flags[v.name]; ok {
		v.given, v.byFlag = true, true
		v.at = spec.Source{File: "-var " + v.name}
		return in.parse(ev, v, raw, "-var")
	}
	for _, files := range [][]valueFile{in.files, in.auto} {
		for _, f := range slices.Backward(files) {
			if a, ok := f.attrs[v.name]; ok {
				return in.fromFile(ev, v, a)
			}
		}
	}
	if raw, ok := in.env[v.name]; ok {
		v.given = true
		v.at = spec.Source{File: EnvPrefix + v.name}
		return in.parse(ev, v, raw, EnvPrefix+v.name)
	}
	return cty.NilVal, false
}

func (in *inputs) fromFile(ev *evaluator, v *variable, a *hcl.Attribute) (cty.Value, bool) {
	v.given = true
	v.at = sourceOf(a.Range)
	if !v.sensitive {
		v.subject = a.Expr.Range()
	}
	val, diags := ev.evaluate(a.Expr, nil)
	if diags.HasErrors() {
		in.failed[v.name] = true
		rng := a.NameRange
		ev.errorf(rng, "Invalid value for variable", "The value of %s in a variables file is a constant: it can't use variables or functions.", v.name)
		return cty.NilVal, false
	}
	return val, true
}

// parse reads the text of a flag or of the environment. For a variable of a primitive type it is
// the value itself, else an expression.
func (in *inputs) parse(ev *evaluator, v *variable, raw, where string) (cty.Value, bool) {
	if v.typ.IsPrimitiveType() || v.typ == cty.DynamicPseudoType && !looksLikeExpression(raw) {
		return cty.StringVal(raw), true
	}
	name := "<" + where + " " + v.name + ">"
	tokens, _ := hclsyntax.LexExpression([]byte(raw), name, hcl.InitialPos)
	if hit := scanTokens(tokens, ev.lim); hit != nil || len(raw) > ev.lim.FileBytes {
		in.failed[v.name] = true
		ev.errorf(v.rng, "Limit exceeded", "The value given with %s is nested too deeply or too long.", where)
		return cty.NilVal, false
	}
	expr, diags := hclsyntax.ParseExpression([]byte(raw), name, hcl.InitialPos)
	if !diags.HasErrors() {
		var val cty.Value
		ev.meter(expr, []byte(raw))
		if val, diags = ev.evaluate(expr, nil); !diags.HasErrors() {
			return val, true
		}
	}
	in.failed[v.name] = true
	detail := "The value given with %s for %s isn't an expression of its type, such as [\"a\", \"b\"] or { key = \"value\" }."
	ev.errorf(v.rng, "Invalid value for variable", detail, where, v.name)
	return cty.NilVal, false
}

// looksLikeExpression tells what is an expression for a variable of any type.
func looksLikeExpression(raw string) bool {
	s := strings.TrimSpace(raw)
	return s != "" && strings.ContainsAny(s[:1], `[{"`)
}

// reportUnknown complains about values for variables that aren't declared: an error for a flag,
// because it does nothing, and a warning for a file, which may be shared by folders.
func (in *inputs) reportUnknown(ev *evaluator) {
	declared := sortedKeys(ev.variables)
	for _, name := range sortedKeys(in.flags) {
		if ev.variables[name] == nil {
			if ev.partial {
				continue
			}
			ev.add(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown variable",
				Detail: "-var gives a value to " + name + ", which no variable block declares." + didYouMean(name, declared)})
		}
	}
	for _, f := range append(slices.Clone(in.auto), in.files...) {
		for _, name := range sortedKeys(f.attrs) {
			if ev.variables[name] == nil && !ev.partial {
				ev.warnf(f.attrs[name].NameRange, "Unknown variable", "No variable block declares %q.%s", name, didYouMean(name, declared))
			}
		}
	}
}
