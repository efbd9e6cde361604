package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// Doctor writes a report: one table, then each failure with the command that mends it.
func Doctor(w io.Writer, r *wire.Report, names map[string]string, o Options) error {
	var b strings.Builder
	var t Table
	t.Row("HOST", "CHECK", "STATUS", "DETAIL")
	ok := 0
	for _, c := range r.Checks {
		if c.Status == "ok" {
			ok++
		}
		t.Cells(Cell{Text: checked(c, names)}, Cell{Text: c.Name}, Cell{c.Status, o.Palette.status(c.Status)}, Cell{Text: c.Detail})
	}
	b.WriteString(t.String())
	for _, c := range r.Checks {
		if c.Fix != "" && c.Status != "ok" {
			fmt.Fprintf(&b, "\n%s: %s\n  %s\n", checked(c, names), c.Name, strings.ReplaceAll(c.Fix, "\n", "\n  "))
		}
	}
	fmt.Fprintf(&b, "\n%s ok of %d.\n", Count(ok, "check"), len(r.Checks))
	_, err := io.WriteString(w, b.String())
	return err
}

func checked(c wire.Check, names map[string]string) string {
	if c.Peer != "" {
		return either(names[c.Host], c.Host) + " -> " + either(names[c.Peer], c.Peer)
	}
	return either(names[c.Host], c.Host)
}

func (p Palette) status(s string) func(string) string {
	switch s {
	case "ok":
		return p.Good
	case "failed":
		return p.Bad
	case "warning":
		return p.Warn
	}
	return p.Faint
}
