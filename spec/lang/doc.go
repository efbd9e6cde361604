// Package lang is novaplan's language: it loads a folder of *.np.hcl (or *.np.json) files and
// evaluates it to a spec.Spec, reporting every mistake of the folder in one run.
//
// Loading has four steps. Files are found and scanned for limits (scan.go), because the HCL parser
// recurses and can't be stopped. They are parsed and their top-level blocks collected (collect.go).
// Blocks are evaluated on demand, in the order in which they refer to each other (eval.go), each
// attribute once per block and only those that mention count or each once per element (table.go).
// Last, what spans blocks is checked (check.go).
//
// Each kind of block is a table of attributes (kind_*.go); the tables also drive suggestions,
// the JSON syntax, and the check that docs/language.md is complete.
//
// A reference to a block evaluates to an object of one type per kind, which carries the block's
// address; so references can be indexed dynamically and travel through locals. What only names a
// block (depends_on, moved, ...) is read as an address and never evaluated.
package lang
