package lang

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/novaplan/novaplan/spec"
)

// SavedOutputs is what it takes to evaluate a folder's outputs without the folder, which may have changed since: the
// expressions, the values that they refer to, and how the blocks with elements are repeated. Nothing
// sensitive is in it.
type SavedOutputs struct {
	Outputs []savedOutput              `json:"outputs,omitempty"`
	Roots   map[string]json.RawMessage `json:"roots,omitempty"` // var, local, host, ...: with their types
	Blocks  []savedBlock               `json:"blocks,omitempty"`
}

type savedOutput struct {
	Name        string  `json:"name"`
	Description string  `json:"description,omitempty"`
	Text        string  `json:"text,omitempty"` // as written; empty: sensitive
	File        string  `json:"file"`
	Start       hcl.Pos `json:"start"`
}

type savedBlock struct {
	Kind   string   `json:"kind"`
	Label  string   `json:"label"`
	Repeat repeat   `json:"repeat"`
	Keys   []string `json:"keys,omitempty"`
	Count  int      `json:"count,omitempty"`
}

// restorable are the kinds of block whose elements outputs look up.
var restorable = []string{"instance", "zone"}

// SaveOutputs returns the outputs for RestoreOutputs. One that is made of something sensitive, even if it says
// that it isn't itself, comes back as sensitive.
func (f *Folder) SaveOutputs() SavedOutputs {
	var s SavedOutputs
	roots := map[string]map[string]cty.Value{}
	for _, o := range f.ev.outputs {
		saved := savedOutput{Name: o.name, Description: o.description, File: o.value.rng.Filename, Start: o.value.rng.Start}
		if !o.sensitive && f.saveRoots(o, roots) {
			saved.Text = f.written(o)
		}
		s.Outputs = append(s.Outputs, saved)
	}
	s.Roots = make(map[string]json.RawMessage, len(roots))
	for name, attrs := range roots {
		raw, err := ctyjson.Marshal(cty.ObjectVal(attrs), cty.DynamicPseudoType)
		if err != nil {
			continue // what needs it says that it isn't there
		}
		s.Roots[name] = raw
	}
	for _, kind := range restorable {
		for _, b := range f.ev.kinds[kind].list {
			s.Blocks = append(s.Blocks, savedBlock{kind, b.label, b.repeat, b.keys, b.count})
		}
	}
	return s
}

// written returns an output's value as it stands in its file: all of the attribute, or the value in JSON.
func (f *Folder) written(o *output) string {
	file := f.Files[o.value.rng.Filename]
	rng := o.value.rng
	if strings.HasSuffix(rng.Filename, ".json") {
		rng = o.value.expr.Range()
	}
	if file == nil || !rng.CanSliceBytes(file.Bytes) {
		return ""
	}
	return string(rng.SliceBytes(file.Bytes))
}

// saveRoots adds what an output refers to. It reports false when something of that is sensitive, or not known.
func (f *Folder) saveRoots(o *output, roots map[string]map[string]cty.Value) bool {
	ctx := f.ev.context(o.value.refs)
	found := map[string]map[string]cty.Value{}
	for _, t := range o.value.refs {
		name := t.RootName()
		value, ok := f.ev.base.Variables[name]
		if v, there := ctx.Variables[name]; there {
			value, ok = v, true
		}
		if !ok || name == "instance" {
			continue
		}
		if value.IsMarked() || !value.IsKnown() || !value.Type().IsObjectType() {
			return false
		}
		if found[name] == nil {
			found[name] = map[string]cty.Value{}
		}
		for attr, v := range value.AsValueMap() {
			if step, isAttr := stepOf(t); isAttr && step != attr {
				continue
			}
			if v.ContainsMarked() || !v.IsWhollyKnown() {
				return false
			}
			found[name][attr] = v
		}
	}
	for name, attrs := range found {
		if roots[name] == nil {
			roots[name] = map[string]cty.Value{}
		}
		for attr, v := range attrs {
			roots[name][attr] = v
		}
	}
	return true
}

// stepOf returns the attribute of a root that a traversal takes: x of var.x.
func stepOf(t hcl.Traversal) (string, bool) {
	if len(t) < 2 {
		return "", false
	}
	step, ok := t[1].(hcl.TraverseAttr)
	return step.Name, ok
}

// RestoreOutputs returns a folder that knows s, the outputs saved with it, and nothing else. Its Outputs works;
// dir is what paths in them are relative to.
func RestoreOutputs(ctx context.Context, dir string, s *spec.Spec, saved SavedOutputs) (*Folder, error) {
	ev := newEvaluator(ctx, dir, Options{})
	f := &Folder{Dir: dir, Spec: s, Files: map[string]*hcl.File{}, ev: ev}
	for name, raw := range saved.Roots {
		v, err := ctyjson.Unmarshal(raw, cty.DynamicPseudoType)
		if err != nil {
			return nil, fmt.Errorf("saved outputs: %s: %w", name, err)
		}
		ev.base.Variables[name] = v
	}
	for _, b := range saved.Blocks {
		kind := ev.kinds[b.Kind]
		if kind == nil {
			return nil, fmt.Errorf("saved outputs: no block is a %s", b.Kind)
		}
		restored := &block{kind: kind.kind, label: b.Label, address: spec.Address(b.Kind + "." + b.Label),
			repeat: b.Repeat, keys: b.Keys, count: b.Count, state: finished, expanded: true}
		switch b.Kind {
		case "instance":
			restored.out = elementsOf(restored, s.Instances, func(i *spec.Instance) spec.Address { return i.Address })
		case "zone":
			restored.out = elementsOf(restored, s.Zones, func(z *spec.Zone) spec.Address { return z.Address })
		}
		if !restored.whole() {
			return nil, fmt.Errorf("saved outputs: %s isn't as it was saved", restored.address)
		}
		kind.list, kind.byLabel[b.Label] = append(kind.list, restored), restored
	}
	for _, o := range saved.Outputs {
		restored, err := ev.restore(o)
		if err != nil {
			return nil, err
		}
		ev.outputs = append(ev.outputs, restored)
	}
	return f, nil
}

// whole reports whether all elements of a restored block are there.
func (b *block) whole() bool {
	switch out := b.out.(type) {
	case []spec.Instance:
		return len(out) == b.size()
	case []spec.Zone:
		return len(out) == b.size()
	}
	return false
}

// elementsOf returns the elements of a block in its order.
func elementsOf[T any](b *block, all []T, address func(*T) spec.Address) []T {
	at := make(map[spec.Address]*T, len(all))
	for i := range all {
		at[address(&all[i])] = &all[i]
	}
	var out []T
	for i := range b.size() {
		if e := at[b.elementAddress(i)]; e != nil {
			out = append(out, *e)
		}
	}
	return out
}

// restore parses an output again, at its old place.
func (ev *evaluator) restore(o savedOutput) (*output, error) {
	rng := hcl.Range{Filename: o.File, Start: o.Start, End: o.Start}
	restored := &output{name: o.Name, description: o.Description, sensitive: o.Text == "", rng: rng}
	var expr hcl.Expression = hcl.StaticExpr(cty.StringVal(""), rng)
	var diags hcl.Diagnostics
	switch {
	case o.Text == "":
	case strings.HasSuffix(o.File, ".json"):
		expr, diags = hcljson.ParseExpression([]byte(o.Text), o.File)
	default:
		var file *hcl.File
		text := []byte(o.Text + "\n")
		file, diags = hclsyntax.ParseConfig(text, o.File, o.Start)
		if diags.HasErrors() {
			break
		}
		body := file.Body.(*hclsyntax.Body)
		ev.meter(body, text)
		for _, attr := range body.Attributes {
			expr = attr.Expr
		}
	}
	if diags.HasErrors() {
		return nil, fmt.Errorf("saved outputs: %s: %w", o.Name, diags)
	}
	restored.value = attrItem{expr: expr, rng: rng}
	if restored.sensitive {
		return restored, nil
	}
	restored.value.refs = references(expr)
	return restored, nil
}
