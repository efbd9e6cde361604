package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// listedAttributes is how many names of attributes a message lists.
const listedAttributes = 16

// hinted adds to a library's complaint what was probably meant.
func (ev *evaluator) hinted(d *hcl.Diagnostic) *hcl.Diagnostic {
	if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d); ok && call.CalledFunctionNamespace() == "" {
		with := *d
		name := call.CalledFunctionName()
		with.Detail = fmt.Sprintf("There is no function named %q.%s", name, didYouMean(name, sortedKeys(ev.base.Functions)))
		return &with
	}
	return ev.withAttributes(d)
}

// withAttributes adds to a complaint about an attribute that an object doesn't have the nearest name, or all of
// them when they are few.
func (ev *evaluator) withAttributes(d *hcl.Diagnostic) *hcl.Diagnostic {
	if d.Summary != "Unsupported attribute" || d.EvalContext == nil {
		return d
	}
	var names []string
	var missing string
	switch e := d.Expression.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		root := variableOf(d.EvalContext, e.Traversal.RootName())
		names, missing = missingAttribute(root, e.Traversal[1:])
	case *hclsyntax.RelativeTraversalExpr:
		source, diags := ev.evaluate(e.Source, d.EvalContext)
		if diags.HasErrors() {
			return d
		}
		names, missing = missingAttribute(source, e.Traversal)
	}
	hint := suggestFrom(missing, names)
	if hint == "" && len(names) > 0 && len(names) <= listedAttributes {
		hint = " It has " + allOf(names) + "."
	}
	if hint == "" {
		return d
	}
	with := *d
	with.Detail += hint
	return &with
}

func variableOf(ctx *hcl.EvalContext, name string) cty.Value {
	for ; ctx != nil; ctx = ctx.Parent() {
		if v, ok := ctx.Variables[name]; ok {
			return v
		}
	}
	return cty.DynamicVal
}

// missingAttribute walks t from v to the object that lacks the next step, and returns what it has and the step.
func missingAttribute(v cty.Value, t hcl.Traversal) (names []string, missing string) {
	for _, step := range t {
		if a, ok := step.(hcl.TraverseAttr); ok && v.Type().IsObjectType() && !v.Type().HasAttribute(a.Name) {
			return sortedKeys(v.Type().AttributeTypes()), a.Name
		}
		next, diags := step.TraversalStep(v)
		if diags.HasErrors() {
			return nil, ""
		}
		v = next
	}
	return nil, ""
}
