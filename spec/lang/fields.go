package lang

import (
	"math"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/novaplan/novaplan/spec"
)

// The constructors below make fields of the types that the language has. Each leaves the target
// alone when the attribute is null or wrong.

func (f field[T]) must() field[T] {
	f.required = true
	return f
}

// is documents the field.
func (f field[T]) is(doc string) field[T] {
	f.doc = doc
	return f
}

// or documents the default.
func (f field[T]) or(def string) field[T] {
	f.def = def
	return f
}

// checked adds a check of the value that was read.
func (f field[T]) checked(check func(a *arg, dst *T)) field[T] {
	set := f.set
	f.set = func(a *arg, dst *T) {
		set(a, dst)
		if !a.failed && !a.null {
			check(a, dst)
		}
	}
	return f
}

func newField[T any](name, typ string, set func(a *arg, dst *T)) field[T] {
	return field[T]{fieldInfo: fieldInfo{name: name, typ: typ}, set: set}
}

func textField[T any](name string, at func(*T) *string) field[T] {
	return newField(name, "string", func(a *arg, dst *T) {
		if s, ok := a.text(); ok {
			*at(dst) = s
		}
	})
}

func boolField[T any](name string, at func(*T) *bool) field[T] {
	return newField(name, "bool", func(a *arg, dst *T) {
		if v, ok := a.boolean(); ok {
			*at(dst) = v
		}
	})
}

func intField[T any](name string, low, high int, at func(*T) *int) field[T] {
	return newField(name, "number", func(a *arg, dst *T) {
		if n, ok := a.integer(int64(low), int64(high)); ok {
			*at(dst) = int(n)
		}
	})
}

// ratioField reads an overcommit ratio: a number above 0.
func ratioField[T any](name string, at func(*T) *float64) field[T] {
	return newField(name, "number", func(a *arg, dst *T) {
		f, ok := a.float()
		if !ok {
			return
		}
		if f <= 0 || f > 1e6 || math.IsNaN(f) {
			a.invalid("An overcommit ratio is above 0 and at most 1,000,000, this is %g.", f)
			return
		}
		*at(dst) = f
	})
}

// enumField reads one of a fixed set of words. Words in later get "not supported yet".
func enumField[T any, E ~string](name string, values []E, later map[string]string, at func(*T) *E) field[T] {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	quoted := prefixed("", words)
	for i := range quoted {
		quoted[i] = `"` + quoted[i] + `"`
	}
	return newField(name, oneOf(quoted), func(a *arg, dst *T) {
		s, ok := a.text()
		if !ok {
			return
		}
		if why, ok := later[s]; ok {
			a.fail("Not supported yet", "%s = %q: %s.", a.name, s, why)
			return
		}
		if !slices.Contains(words, s) {
			a.invalid("%s is %s, this is %q.%s", a.name, oneOf(quoted), s, didYouMean(s, words))
			return
		}
		*at(dst) = E(s)
	})
}

// sizeField reads an amount of memory or disk; plain numbers count in unit.
func sizeField[T any](name string, unit spec.MiB, low spec.MiB, at func(*T) *spec.MiB) field[T] {
	plain := map[spec.MiB]string{1: "MiB", 1024: "GiB"}[unit]
	return newField(name, "size, plain numbers are "+plain, func(a *arg, dst *T) {
		v, ok := a.plain()
		if !ok || a.null {
			return
		}
		var m spec.MiB
		var err error
		switch v.Type() {
		case cty.Number:
			m, err = sizeOfNumber(v.AsBigFloat(), unit)
		case cty.String:
			m, err = parseSize(v.AsString(), unit)
		default:
			a.fail("Wrong type", "%s wants a size such as \"2GiB\", this is %s.", a.name, friendly(v))
			return
		}
		switch {
		case err != nil:
			a.invalid("%s.", err)
		case m < low:
			a.invalid("%s is at least %d MiB, this is %s.", a.name, low, friendly(v))
		default:
			*at(dst) = m
		}
	})
}

func durationField[T any](name string, at func(*T) *time.Duration) field[T] {
	return newField(name, "duration", func(a *arg, dst *T) {
		s, ok := a.text()
		if !ok {
			return
		}
		d, err := parseDuration(s)
		if err != nil {
			a.invalid("%s.", err)
			return
		}
		*at(dst) = d
	})
}

func textsField[T any](name string, at func(*T) *map[string]string) field[T] {
	return newField(name, "map of strings", func(a *arg, dst *T) {
		if m, ok := a.texts(); ok {
			*at(dst) = m
		}
	})
}

func refField[T any](name, kind string, at func(*T) *spec.Address) field[T] {
	return newField(name, "reference to "+article(kind), func(a *arg, dst *T) {
		if addr, ok := a.reference(kind); ok {
			*at(dst) = addr
		}
	})
}

// secretField reads a text that may be sensitive.
func secretField[T any](name string, at func(*T) *spec.Secret) field[T] {
	return newField(name, "string, may be sensitive", func(a *arg, dst *T) {
		v, ok := a.evaluate()
		if !ok {
			return
		}
		if s, ok := a.secretText(v, a.name); ok {
			*at(dst) = spec.NewSecret(s)
		}
	})
}

// secretText converts a value that may be marked to text.
func (a *arg) secretText(v cty.Value, name string) (string, bool) {
	v, marks := v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		a.failed = true
		a.ev.unknown(a)
		return "", false
	}
	if a.null = v.IsNull(); a.null {
		return "", false
	}
	s, err := convert.Convert(v, cty.String)
	if err != nil {
		what := friendly(v)
		if len(marks) > 0 {
			what = v.Type().FriendlyName()
		}
		a.fail("Wrong type", "%s wants a string, this is %s.", name, what)
		return "", false
	}
	return s.AsString(), true
}

// addressesField reads a list of addresses of instances, never evaluated. A block with count or
// for_each stands for all its elements.
func addressesField[T any](name string, at func(*T) *[]spec.Address) field[T] {
	f := newField(name, "list of instance addresses", func(a *arg, dst *T) {
		if addrs, ok := a.addresses(); ok {
			*at(dst) = addrs
		}
	})
	f.address = true
	return f
}

func (a *arg) addresses() ([]spec.Address, bool) {
	exprs, diags := hcl.ExprList(a.expr)
	if diags.HasErrors() {
		a.fail("Wrong type", "%s wants a list of addresses in brackets: [instance.web[0]].", a.name)
		return nil, false
	}
	var out []spec.Address
	for _, e := range exprs {
		t, ok := a.ev.addressOf(a, e, "instance")
		if !ok {
			a.failed = true
			continue
		}
		if t.block == a.scope.block && (t.whole || t.block.repeat == once || a.scope.perKey && t.element == a.scope.key) {
			hint := " A server_group relates the instances of one block to each other."
			if a.name == "depends_on" {
				hint = ""
			}
			at := *a // the mistake is this element, and others may follow
			at.expr = e
			at.fail("Refers to itself", "%s of %s names the block itself.%s", a.name, t.block.title(), hint)
			a.failed = true
			continue
		}
		if !t.whole {
			out = append(out, t.address())
			continue
		}
		for i := range t.block.size() {
			out = append(out, t.block.elementAddress(i))
		}
	}
	return out, !a.failed
}

// wordsOf reads a list of bare names, as in ignore_changes.
func wordsOf(a *arg) ([]string, bool) {
	exprs, diags := hcl.ExprList(a.expr)
	if diags.HasErrors() {
		if w := hcl.ExprAsKeyword(a.expr); w != "" {
			return []string{w}, true
		}
		a.fail("Wrong type", "%s wants a list of names in brackets, without quotes.", a.name)
		return nil, false
	}
	var words []string
	for _, e := range exprs {
		w := hcl.ExprAsKeyword(e)
		if w == "" {
			a.fail("Wrong type", "%s wants a list of names, without quotes.", a.name)
			return nil, false
		}
		words = append(words, w)
	}
	return words, true
}

// textList reads a list of strings.
func (a *arg) textList() ([]string, bool) {
	vals, ok := a.list()
	if !ok {
		return nil, false
	}
	out := make([]string, 0, len(vals))
	for _, v := range vals {
		s, err := convert.Convert(v, cty.String)
		if err != nil || s.IsNull() {
			a.fail("Wrong type", "%s wants a list of strings, this contains %s.", a.name, friendly(v))
			return nil, false
		}
		out = append(out, s.AsString())
	}
	return out, true
}
