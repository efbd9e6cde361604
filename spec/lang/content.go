package lang

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// content is a body taken apart by a schema, in either syntax. It is made once per body and
// decoded as often as count and for_each say.
type content struct {
	attrs  []attrItem // in schema order
	blocks []blockItem
	end    hcl.Range // where a missing attribute is reported
}

// attrItem is one written attribute.
type attrItem struct {
	field  int // index in the schema
	expr   hcl.Expression
	rng    hcl.Range // of the whole attribute
	refs   []hcl.Traversal
	perKey bool // mentions count, each or an iterator around it
	broken bool // refers to something that doesn't exist or failed
}

// blockItem is one nested block, or a dynamic block that makes any number of them.
type blockItem struct {
	nested    int // index in the schema
	label     string
	labelExpr *attrItem // dynamic labels
	content   *content
	def       hcl.Range
	dynamic   *dynamic
	perKey    bool
}

// dynamic is the head of a dynamic block.
type dynamic struct {
	forEach  attrItem
	iterator string
}

// attr returns the item of the named field, or nil.
func (c *content) attr(s *schema, name string) *attrItem {
	i, ok := s.index[name]
	if !ok {
		return nil
	}
	for n := range c.attrs {
		if c.attrs[n].field == i {
			return &c.attrs[n]
		}
	}
	return nil
}

// taker takes bodies apart.
type taker struct {
	diags *hcl.Diagnostics
}

// take returns the content of body. Iterators are the names that dynamic blocks around it bind.
func (t *taker) take(body hcl.Body, s *schema, def hcl.Range, iterators []string) *content {
	c := &content{end: def}
	if native, ok := body.(*hclsyntax.Body); ok {
		t.takeNative(c, native, s, iterators)
	} else {
		t.takeJSON(c, body, s, iterators)
	}
	return c
}

func (t *taker) takeNative(c *content, body *hclsyntax.Body, s *schema, iterators []string) {
	c.attrs = make([]attrItem, 0, len(body.Attributes))
	for i := range s.fields {
		if a, ok := body.Attributes[s.fields[i].name]; ok {
			c.attrs = append(c.attrs, newAttrItem(i, a.Expr, a.SrcRange, iterators, s.fields[i].address))
		}
	}
	if len(c.attrs) < len(body.Attributes) {
		for name, a := range body.Attributes {
			if _, ok := s.index[name]; !ok {
				t.unknown(s, "argument", name, a.NameRange)
			}
		}
	}
	for _, b := range body.Blocks {
		t.takeBlock(c, s, b.Type, b.Labels, b.LabelRanges, b.Body, b.TypeRange, iterators)
	}
	t.checkCounts(c, s)
}

func (t *taker) takeJSON(c *content, body hcl.Body, s *schema, iterators []string) {
	got, diags := body.Content(s.json)
	*t.diags = append(*t.diags, diags...)
	if got == nil {
		return
	}
	for i := range s.fields {
		if a, ok := got.Attributes[s.fields[i].name]; ok {
			c.attrs = append(c.attrs, newAttrItem(i, a.Expr, a.Range, iterators, s.fields[i].address))
		}
	}
	for _, b := range got.Blocks {
		t.takeBlock(c, s, b.Type, b.Labels, b.LabelRanges, b.Body, b.DefRange, iterators)
	}
	t.checkCounts(c, s)
}

func newAttrItem(field int, expr hcl.Expression, rng hcl.Range, iterators []string, address bool) attrItem {
	item := attrItem{field: field, expr: expr, rng: rng}
	item.refs = references(expr)
	if address {
		// Only the keys in instance.web[count.index] are ever evaluated.
		item.refs = slices.DeleteFunc(item.refs, func(t hcl.Traversal) bool {
			root := t.RootName()
			return root != "count" && root != "each" && root != "var" && root != "local" && !slices.Contains(iterators, root)
		})
	}
	for _, t := range item.refs {
		root := t.RootName()
		item.perKey = item.perKey || root == "count" || root == "each" || slices.Contains(iterators, root)
	}
	return item
}

// references returns the variables that expr mentions, without walking the common simple cases.
func references(expr hcl.Expression) []hcl.Traversal {
	switch e := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return nil
	case *hclsyntax.ScopeTraversalExpr:
		return []hcl.Traversal{e.Traversal}
	case *hclsyntax.TemplateExpr:
		if e.IsStringLiteral() {
			return nil
		}
	}
	return expr.Variables()
}

func (t *taker) takeBlock(c *content, s *schema, name string, labels []string, labelRanges []hcl.Range, body hcl.Body, def hcl.Range, iterators []string) {
	if name == "dynamic" && len(s.blocks) > 0 {
		t.takeDynamic(c, s, labels, labelRanges, body, def, iterators)
		return
	}
	i, ok := s.nested[name]
	if !ok {
		t.unknown(s, "block", name, def)
		return
	}
	info := &s.blocks[i]
	label := ""
	switch {
	case len(labels) > 1 || len(labels) == 1 && !info.labelled:
		t.errorf(labelRanges[len(labelRanges)-1], "Too many labels", "A %s block takes %s.", name, map[bool]string{true: "one label", false: "no label"}[info.labelled])
		return
	case len(labels) == 0 && info.strict:
		t.errorf(def, "Missing label", "A %s block needs a label: %s \"name\" { ... }.", name, name)
		return
	case len(labels) == 1:
		label = labels[0]
	}
	item := blockItem{nested: i, label: label, def: def}
	item.content = t.take(body, info.schema, def, iterators)
	item.perKey = item.content.perKey()
	c.blocks = append(c.blocks, item)
}

func (c *content) perKey() bool {
	return slices.ContainsFunc(c.attrs, func(a attrItem) bool { return a.perKey }) ||
		slices.ContainsFunc(c.blocks, func(b blockItem) bool { return b.perKey })
}

var dynamicSchema = newSchema("dynamic block", []fieldInfo{
	{name: "for_each", typ: "list, set or map", required: true, doc: "one block is made per element"},
	{name: "iterator", typ: "name", doc: "the name of the element's variable; default is the block's type"},
	{name: "labels", typ: "list of strings", doc: "labels of the made blocks"},
}, []blockInfo{{name: "content", max: 1, doc: "the body of the made blocks"}}, nil)

func (t *taker) takeDynamic(c *content, s *schema, labels []string, labelRanges []hcl.Range, body hcl.Body, def hcl.Range, iterators []string) {
	if len(labels) != 1 {
		t.errorf(def, "Missing label", "A dynamic block names what it makes: dynamic \"nic\" { ... }.")
		return
	}
	i, ok := s.nested[labels[0]]
	if !ok {
		t.unknown(s, "block", labels[0], labelRanges[0])
		return
	}
	attrs, content := t.dynamicParts(body, def)
	if content == nil || attrs["for_each"] == nil {
		t.errorf(def, "Incomplete dynamic block", "A dynamic block needs for_each and one content block.")
		return
	}
	d := &dynamic{iterator: labels[0]}
	d.forEach = newAttrItem(0, attrs["for_each"].Expr, attrs["for_each"].Range, iterators, false)
	if it := attrs["iterator"]; it != nil {
		if d.iterator = hcl.ExprAsKeyword(it.Expr); d.iterator == "" {
			t.errorf(it.Expr.Range(), "Invalid iterator", "The iterator is a plain name, without quotes.")
			return
		}
	}
	inner := append(slices.Clone(iterators), d.iterator)
	item := blockItem{nested: i, def: def, dynamic: d}
	if l := attrs["labels"]; l != nil {
		li := newAttrItem(2, l.Expr, l.Range, inner, false)
		item.labelExpr = &li
	}
	item.content = t.take(content.Body, s.blocks[i].schema, def, inner)
	// An iterator alone doesn't make the block differ between keys, but to tell them apart isn't worth it.
	item.perKey = d.forEach.perKey || item.content.perKey()
	c.blocks = append(c.blocks, item)
}

func (t *taker) dynamicParts(body hcl.Body, def hcl.Range) (hcl.Attributes, *hcl.Block) {
	want := &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "content"}}}
	for _, f := range dynamicSchema.fields {
		want.Attributes = append(want.Attributes, hcl.AttributeSchema{Name: f.name})
	}
	got, diags := body.Content(want)
	*t.diags = append(*t.diags, diags...)
	if got == nil || len(got.Blocks) != 1 {
		return nil, nil
	}
	return got.Attributes, got.Blocks[0]
}

// checkCounts reports nested blocks that are written too often. Dynamic ones are counted when they
// are made.
func (t *taker) checkCounts(c *content, s *schema) {
	if len(c.blocks) < 2 {
		return
	}
	first := map[int]hcl.Range{}
	seen := map[int]int{}
	for _, b := range c.blocks {
		info := s.blocks[b.nested]
		if seen[b.nested]++; seen[b.nested] == 1 {
			first[b.nested] = b.def
		}
		if info.max > 0 && seen[b.nested] == info.max+1 {
			t.errorf(b.def, "Duplicate block", "Only one %s block is possible here; there is one already at %s.", info.name, place(first[b.nested]))
		}
	}
}

// unknown reports a name that s doesn't have.
func (t *taker) unknown(s *schema, what, name string, rng hcl.Range) {
	if later, ok := s.later[name]; ok {
		t.errorf(rng, "Not supported yet", "%s: this version of novaplan doesn't have it. Remove it for now.", later)
		return
	}
	if _, ok := s.nested[name]; ok && what == "argument" {
		t.errorf(rng, "Unsupported argument", "%s is a block here: write %s { ... } without an equals sign.", name, name)
		return
	}
	if _, ok := s.index[name]; ok && what == "block" {
		t.errorf(rng, "Unsupported block", "%s is an argument here: write %s = ... with an equals sign.", name, name)
		return
	}
	if name == "count" || name == "for_each" {
		t.errorf(rng, "Unsupported argument", "%s blocks can't be repeated.", s.where)
		return
	}
	t.errorf(rng, "Unsupported "+what, "There is no %s named %q in %s.%s", what, name, article(s.where), s.suggest(name))
}

func (t *taker) errorf(rng hcl.Range, summary, format string, args ...any) {
	*t.diags = append(*t.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary,
		Detail: fmt.Sprintf(format, args...), Subject: &rng})
}

// place renders a position for the middle of a sentence.
func place(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }

func article(noun string) string {
	if len(noun) > 0 && slices.Contains([]byte("aeiou"), noun[0]) {
		return "an " + noun
	}
	return "a " + noun
}
