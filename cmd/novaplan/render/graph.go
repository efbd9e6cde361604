package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// Graph writes the operations of a plan and what comes after what, in DOT.
func Graph(w io.Writer, p *wire.Plan) error {
	fleet := newFleet(p.Hosts)
	var b strings.Builder
	b.WriteString("digraph plan {\n  rankdir = \"LR\";\n  node [shape = \"box\", fontname = \"monospace\"];\n")
	for i := range p.Operations {
		o := &p.Operations[i]
		label := strings.TrimSpace(o.Kind+" "+o.Action) + "\n" + either(o.Instance, either(o.To, o.From))
		switch {
		case o.Instance != "" && o.From != "" && o.To != "":
			label += "\n" + fleet.name(o.From) + " -> " + fleet.name(o.To)
		case o.Instance != "":
			label += "\non " + fleet.name(either(o.To, o.From))
		}
		fmt.Fprintf(&b, "  %q [label = %q];\n", o.ID, label)
	}
	for i := range p.Operations {
		for _, before := range p.Operations[i].After {
			fmt.Fprintf(&b, "  %q -> %q;\n", before, p.Operations[i].ID)
		}
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}
