package render

import (
	"fmt"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// renamedFrom returns the old address of an instance that a moved block gives a new one, "" when it isn't
// a rename.
func renamedFrom(c *wire.Change) string {
	if c.Action != "rename" {
		return ""
	}
	for _, a := range c.Attributes {
		if a.Name == "address" {
			return a.Old
		}
	}
	return ""
}

// oldBlock returns the block that a renamed instance comes from, when it keeps its key there. Only then are
// several renames of a block one row.
func oldBlock(c *wire.Change) (string, bool) {
	was, wasKey := split(renamedFrom(c))
	_, key := split(c.Address)
	return was, key != "" && key == wasKey
}

// renamed describes renames of one block.
func (t *planText) renamed(g *group) string {
	first := g.rows[0]
	from, untouched := renamedFrom(first), "; the guest is not touched"
	count := ""
	if n := len(g.rows); n > 1 {
		block, _ := oldBlock(first)
		from, untouched, count = block+"[*]", "; the guests are not touched", fmt.Sprintf("%d  ", n)
	}
	if t.o.Concise {
		untouched = ""
	}
	return count + "renamed from " + from + untouched
}
