package render

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

func (t *planText) warnings() {
	for i := range t.p.Warnings {
		t.message(t.o.Palette.Warn("Warning:"), &t.p.Warnings[i])
	}
	if t.p.ReadOnly != "" {
		t.line("%s this plan can't be applied from here: %s", t.o.Palette.Warn("Warning:"), t.p.ReadOnly)
	}
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
}

// blocked shows what can't be done: the errors, each with the instances it is about, then instances
// that no error mentions.
func (t *planText) blocked() {
	if !t.p.Blocked() {
		return
	}
	for i := range t.p.Errors {
		t.message(t.o.Palette.Bad("Error:"), &t.p.Errors[i])
	}
	if rest := t.unmentioned(); len(rest) > 0 {
		where := "fits on no host"
		if len(rest) > 1 {
			where = "fit on no host"
		}
		t.line("%s %s %s", t.o.Palette.Bad("Error:"), Count(len(rest), "instance"), where)
		t.unplaced(rest)
	}
	t.b.WriteByte('\n')
}

// message writes one error or warning: the summary, where it comes from, and its lines.
func (t *planText) message(word string, m *wire.Message) {
	summary := m.Summary
	if m.Source.File != "" && !strings.Contains(summary, m.Source.File) {
		summary += fmt.Sprintf(" (%s:%d)", m.Source.File, m.Source.Line)
	}
	t.line("%s %s", word, summary)
	for _, d := range m.Detail {
		t.line("  %s", d)
	}
}

func (t *planText) unmentioned() []wire.Unplaced {
	var out []wire.Unplaced
	for _, u := range t.p.Unplaced {
		told := false
		for i := range t.p.Errors {
			told = told || mentions(&t.p.Errors[i], u.Address)
		}
		if !told {
			out = append(out, u)
		}
	}
	return out
}

func mentions(m *wire.Message, address string) bool {
	if m.Address == address || strings.Contains(m.Summary, address) {
		return true
	}
	for _, d := range m.Detail {
		if strings.Contains(d, address) {
			return true
		}
	}
	return false
}

// unplaced lists instances with the filters that removed the hosts; equal ones of a block collapse.
func (t *planText) unplaced(all []wire.Unplaced) {
	type row struct {
		label, text, nearest string
		n                    int
	}
	var rows []row
	width := 0
	for i := range all {
		u := &all[i]
		block, key := split(u.Address)
		r := row{label: u.Address, text: t.rejected(u), n: 1}
		if u.Placement != nil && u.Placement.Nearest != nil {
			r.nearest = t.fleet.name(u.Placement.Nearest.Host) + ", " + u.Placement.Nearest.Message
		}
		if last := len(rows) - 1; last >= 0 && key != "" && !t.o.Wide {
			lastBlock, _ := split(rows[last].label)
			if lastBlock == block && rows[last].text == r.text && rows[last].nearest == r.nearest {
				rows[last].label = block + "[*]"
				rows[last].n++
				continue
			}
		}
		rows = append(rows, r)
	}
	for _, r := range rows {
		if n := utf8.RuneCountInString(r.label); n <= widestLabel {
			width = max(width, n)
		}
	}
	for _, r := range rows {
		count := ""
		if r.n > 1 {
			count = fmt.Sprintf("%d  ", r.n)
		}
		t.line("  %-*s  %s%s", width, r.label, count, r.text)
		if r.nearest != "" {
			t.line("      nearest: %s", r.nearest)
		}
	}
}

// rejected counts per filter: "11 hosts: 9 availability_zone, 1 ram, 1 server_group_anti_affinity".
func (t *planText) rejected(u *wire.Unplaced) string {
	if u.Placement == nil || len(u.Placement.Rejections) == 0 {
		return u.Reason.Message
	}
	return Rejections(u.Placement)
}

// Rejections counts the hosts that each filter removed.
func Rejections(p *wire.Placement) string {
	parts := make([]string, len(p.Rejections))
	for i, r := range p.Rejections {
		parts[i] = fmt.Sprintf("%d %s", r.Hosts, r.Filter)
	}
	return Count(p.Candidates, "host") + ": " + strings.Join(parts, ", ")
}
