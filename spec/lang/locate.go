package lang

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/novaplan/novaplan/spec"
)

// Locate returns where an attribute of a block is written, or the block's head when the attribute isn't, so
// that what is found out later can be shown at its line. It is nil when the folder has no such block.
func (f *Folder) Locate(address spec.Address, attribute string) *hcl.Range {
	kind := f.ev.kinds[address.Kind()]
	if kind == nil {
		return nil
	}
	b := kind.byLabel[address.Label()]
	if b == nil {
		return nil
	}
	if item := b.content.attr(kind.kind.schema(), attribute); item != nil {
		rng := item.expr.Range()
		return &rng
	}
	return &b.def
}
