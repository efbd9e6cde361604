package lang

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/novaplan/novaplan/spec"
)

// Graph is what refers to what in a folder, block by block.
type Graph struct {
	Nodes []GraphNode
	Edges []GraphEdge
}

// GraphNode is a block, a variable, a local value or an output.
type GraphNode struct {
	Name   string // "instance.web", "local.hosts", "var.drain"
	Source spec.Source
}

// GraphEdge says that From refers to To.
type GraphEdge struct{ From, To string }

// Graph returns the references of the folder, nodes in spec order. A reference to a whole kind
// (zone[each.value]) is an edge to each of its blocks.
func (f *Folder) Graph() Graph {
	g := grapher{ev: f.ev, seen: map[GraphEdge]bool{}}
	for _, name := range sortedKeys(f.ev.variables) {
		g.node("var."+name, f.ev.variables[name].rng)
	}
	for _, l := range f.ev.localList {
		g.node("local."+l.name, l.rng)
		g.refs("local."+l.name, l.item.refs)
	}
	for _, k := range allKinds() {
		for _, b := range f.ev.kinds[k.name()].list {
			g.node(b.title(), b.def)
			g.content(b.title(), b.content, k.schema())
		}
	}
	for _, o := range f.ev.outputs {
		g.node("output."+o.name, o.rng)
		g.refs("output."+o.name, o.value.refs)
	}
	return g.Graph
}

type grapher struct {
	Graph
	ev   *evaluator
	seen map[GraphEdge]bool
}

func (g *grapher) node(name string, rng hcl.Range) {
	g.Nodes = append(g.Nodes, GraphNode{Name: name, Source: sourceOf(rng)})
}

func (g *grapher) content(from string, c *content, s *schema) {
	for i := range c.attrs {
		if f := c.attrs[i].field; s.fields[f].address {
			g.refs(from, c.attrs[i].expr.Variables())
		}
		g.refs(from, c.attrs[i].refs)
	}
	for i := range c.blocks {
		if d := c.blocks[i].dynamic; d != nil {
			g.refs(from, d.forEach.refs)
		}
		g.content(from, c.blocks[i].content, s.blocks[c.blocks[i].nested].schema)
	}
}

func (g *grapher) refs(from string, refs []hcl.Traversal) {
	for _, t := range refs {
		root := t.RootName()
		name, named := stepName(t, 1)
		switch k, isKind := g.ev.kinds[root]; {
		case root == "var" || root == "local":
			if named {
				g.edge(from, root+"."+name)
			}
		case isKind && named:
			g.edge(from, string(spec.NewAddress(root, name)))
		case isKind:
			for _, b := range k.list {
				g.edge(from, b.title())
			}
		}
	}
}

func (g *grapher) edge(from, to string) {
	e := GraphEdge{from, to}
	if !g.seen[e] && from != to {
		g.seen[e] = true
		g.Edges = append(g.Edges, e)
	}
}

// DOT renders the graph in the language of Graphviz.
func (g Graph) DOT() string {
	var b strings.Builder
	b.WriteString("digraph novaplan {\n  rankdir = \"RL\"\n  node [shape = box]\n")
	for _, n := range g.Nodes {
		b.WriteString("  " + dotQuote(n.Name) + "\n")
	}
	edges := slices.Clone(g.Edges)
	slices.SortFunc(edges, func(a, b GraphEdge) int {
		if c := strings.Compare(a.From, b.From); c != 0 {
			return c
		}
		return strings.Compare(a.To, b.To)
	})
	for _, e := range edges {
		b.WriteString("  " + dotQuote(e.From) + " -> " + dotQuote(e.To) + "\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func dotQuote(s string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`) + `"`
}
