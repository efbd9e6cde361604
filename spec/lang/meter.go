package lang

import (
	"bytes"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// metered stands in for the body of a for expression and counts its evaluations. HCL itself can't
// be stopped: a few nested for expressions in 200 bytes run for minutes.
type metered struct {
	hclsyntax.Expression
	ev *evaluator
}

// stopped is thrown by a meter that has run out and caught by evaluate. An error isn't enough: a for
// expression that gets one goes on with its next element.
type stopped struct{ cause error }

func (m *metered) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if err := m.ev.iterate(); err != nil {
		panic(stopped{err})
	}
	return m.Expression.Value(ctx)
}

// evaluate evaluates expr, and is the only place that does.
func (ev *evaluator) evaluate(expr hcl.Expression, ctx *hcl.EvalContext) (v cty.Value, diags hcl.Diagnostics) {
	stop := func(cause error) {
		r := expr.Range()
		v, diags = cty.DynamicVal, nil
		if ev.stopReported {
			return // once is enough: nothing after it is evaluated
		}
		ev.stopReported = true
		diags = hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Evaluation stopped", Subject: &r,
			Detail: fmt.Sprintf("To keep an expression from running forever, evaluation was stopped: %s.", cause)}}
	}
	if ev.budget < 0 {
		stop(ev.iterate())
		return v, diags
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
			if err := ev.exhausted(); err != nil && diags.HasErrors() {
				stop(err) // a function caught the panic and made an error of it
			}
		case stopped:
			stop(r.cause)
		default:
			// A bug in a library must not take a server down, and its message may quote a secret.
			rng := expr.Range()
			v = cty.DynamicVal
			diags = hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Evaluation failed", Subject: &rng,
				Detail: "This expression made the evaluator itself fail. Please report it; writing it in another way may help."}}
		}
	}()
	return expr.Value(ctx)
}

func (ev *evaluator) exhausted() error {
	if ev.budget < 0 {
		return ev.iterate()
	}
	return ev.ctx.Err()
}

// meter puts a meter into every for expression under node, whose source is src.
func (ev *evaluator) meter(node hclsyntax.Node, src []byte) {
	if !mentionsFor(src) {
		return
	}
	w := &meterWalker{ev: ev}
	hclsyntax.Walk(node, w) // reports by itself
}

// mentionsFor is a cheap test that is never wrong when it says no.
func mentionsFor(src []byte) bool {
	for {
		i := bytes.Index(src, []byte("for"))
		if i < 0 {
			return false
		}
		src = src[i+3:]
		if len(src) == 0 || src[0] != '_' {
			return true
		}
	}
}

type meterWalker struct {
	ev    *evaluator
	depth int
}

func (w *meterWalker) Enter(node hclsyntax.Node) hcl.Diagnostics {
	f, ok := node.(*hclsyntax.ForExpr)
	if !ok {
		return nil
	}
	if w.depth++; w.depth == w.ev.lim.ForNesting+1 {
		w.ev.errorf(f.Range(), "Limit exceeded", "for expressions can be nested %d deep.", w.ev.lim.ForNesting)
	}
	// The parentheses keep a bare reference visible to those who walk the expression: they know
	// nothing of the meter itself.
	f.ValExpr = &metered{ev: w.ev, Expression: &hclsyntax.ParenthesesExpr{Expression: f.ValExpr, SrcRange: f.ValExpr.Range()}}
	return nil
}

func (w *meterWalker) Exit(node hclsyntax.Node) hcl.Diagnostics {
	if _, ok := node.(*hclsyntax.ForExpr); ok {
		w.depth--
	}
	return nil
}
