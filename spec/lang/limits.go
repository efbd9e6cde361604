package lang

import "fmt"

// Limits bound what a folder may cost to load. The zero value of a field means its default.
type Limits struct {
	FileBytes   int // of one file, spec or read by a function; default 8 MiB
	FolderBytes int // of all spec and variable files; default 64 MiB
	Nesting     int // of brackets, templates and blocks; default 200
	Operators   int // in one expression; default 2,000
	ForNesting  int // of for expressions in each other; default 4
	Iterations  int // of all for expressions and large functions of a folder; default 20,000,000
	Elements    int // of one block's count or for_each; default 1,000,000
	References  int // length of a chain of references; default 2,000
	Value       int // characters and elements of one local value; default 64 MiB
}

func (l Limits) withDefaults() Limits {
	set := func(p *int, def int) {
		if *p == 0 {
			*p = def
		}
	}
	set(&l.FileBytes, 8<<20)
	set(&l.FolderBytes, 64<<20)
	set(&l.Nesting, 200)
	set(&l.Operators, 2000)
	set(&l.ForNesting, 4)
	set(&l.Iterations, 20_000_000)
	set(&l.Elements, 1_000_000)
	set(&l.References, 2000)
	set(&l.Value, 64<<20)
	return l
}

// limitHit says which limit a source exceeds, and where.
type limitHit struct {
	what   string
	limit  int
	offset int // byte offset in the source
}

func (h *limitHit) Error() string {
	return fmt.Sprintf("%s is limited to %d", h.what, h.limit)
}

func nestingHit(lim Limits, offset int) *limitHit {
	return &limitHit{what: "the nesting of brackets, templates and blocks", limit: lim.Nesting, offset: offset}
}

func operatorHit(lim Limits, offset int) *limitHit {
	return &limitHit{what: "the number of operators in one expression", limit: lim.Operators, offset: offset}
}
