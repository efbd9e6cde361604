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
	for _, c := range foldPairs(r.Checks, names) {
		t.Cells(Cell{Text: c.of}, Cell{Text: c.Name}, Cell{c.Status, o.Palette.status(c.Status)}, Cell{Text: c.Detail})
	}
	b.WriteString(t.String())
	for _, m := range mends(r.Checks, names) {
		fmt.Fprintf(&b, "\n%s: %s\n  %s\n", strings.Join(m.of, ", "), m.name, strings.ReplaceAll(m.fix, "\n", "\n  "))
	}
	b.WriteString("\n" + tally(r.Checks) + ".\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// fewPairs is how many checks of pairs of hosts are listed one by one: they grow with the square.
const fewPairs = 12

// checkRow is a check and what it is about.
type checkRow struct {
	wire.Check
	of string
}

// foldPairs makes one row of the good pairs of a host when there are many. Whatever isn't good keeps
// its own row.
func foldPairs(checks []wire.Check, names map[string]string) []checkRow {
	pairs := 0
	for i := range checks {
		if checks[i].Peer != "" {
			pairs++
		}
	}
	type key struct{ host, name string }
	var rows []checkRow
	at, peers := map[key]int{}, map[key]int{}
	for _, c := range checks {
		k := key{c.Host, c.Name}
		if c.Peer == "" || c.Status != "ok" || pairs <= fewPairs {
			rows = append(rows, checkRow{c, checked(c, names)})
			continue
		}
		if peers[k]++; peers[k] == 1 {
			at[k] = len(rows)
			rows = append(rows, checkRow{c, checked(c, names)})
			continue
		}
		row := &rows[at[k]]
		row.of, row.Detail = fmt.Sprintf("%s -> %d hosts", either(names[c.Host], c.Host), peers[k]), ""
	}
	return rows
}

// mend is what to do about a check that failed alike on some hosts.
type mend struct {
	of        []string
	name, fix string
}

func mends(checks []wire.Check, names map[string]string) []*mend {
	var out []*mend
	at := map[[2]string]*mend{}
	for _, c := range checks {
		if c.Fix == "" || c.Status == "ok" {
			continue
		}
		k := [2]string{c.Name, c.Fix}
		if at[k] == nil {
			at[k] = &mend{name: c.Name, fix: c.Fix}
			out = append(out, at[k])
		}
		at[k].of = append(at[k].of, checked(c, names))
	}
	return out
}

// tally counts the checks by how they ended: "24 checks ok, 3 warnings, 1 failed".
func tally(checks []wire.Check) string {
	ended := map[string]int{}
	for _, c := range checks {
		ended[c.Status]++
	}
	text := Count(ended["ok"], "check") + " ok"
	if n := ended["warning"]; n > 0 {
		text += ", " + Count(n, "warning")
	}
	if n := ended["failed"]; n > 0 {
		text += fmt.Sprintf(", %d failed", n)
	}
	if n := len(checks) - ended["ok"] - ended["warning"] - ended["failed"]; n > 0 {
		text += fmt.Sprintf(", %d skipped", n)
	}
	return text
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
