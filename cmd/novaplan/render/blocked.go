package render

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

func (t *planText) warnings() {
	t.messages(t.o.Palette.Warn("Warning:"), t.p.Warnings)
	if t.p.ReadOnly != "" {
		t.line("%s this plan can't be applied from here: %s", t.o.Palette.Warn("Warning:"), t.p.ReadOnly)
	}
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
}

// blocked shows what can't be done: the errors, each with the instances it is about, then instances
// that nothing has mentioned yet.
func (t *planText) blocked() {
	if !t.p.Blocked() {
		return
	}
	rest := t.unmentioned()
	if len(t.p.Errors)+len(rest) == 0 {
		return // a warning has said it
	}
	t.messages(t.o.Palette.Bad("Error:"), t.p.Errors)
	if len(rest) > 0 {
		where := "fits on no host"
		if len(rest) > 1 {
			where = "fit on no host"
		}
		t.line("%s %s %s", t.o.Palette.Bad("Error:"), Count(len(rest), "instance"), where)
		t.unplaced(rest)
	}
	t.b.WriteByte('\n')
}

// messages writes errors or warnings; what is said alike of several elements of a block is said once.
func (t *planText) messages(word string, all []wire.Message) {
	for i := 0; i < len(all); {
		n := 1
		for !t.o.Wide && i+n < len(all) && t.alike(&all[i], &all[i+n]) {
			n++
		}
		m := all[i]
		if n > 1 {
			m.Summary = strings.ReplaceAll(t.anonymous(&m), "\x00", t.several(all[i:i+n]))
		}
		t.message(word, &m)
		i += n
	}
}

// alike reports whether two messages differ only in which element of a block they are about.
func (t *planText) alike(a, b *wire.Message) bool {
	blockA, keyA := split(a.Address)
	blockB, keyB := split(b.Address)
	return a.Code == b.Code && a.Source == b.Source && keyA != "" && keyB != "" && blockA == blockB &&
		t.anonymous(a) == t.anonymous(b) && slices.Equal(a.Detail, b.Detail)
}

// anonymous is a message's summary with a zero byte for what it is about: an address, or the name that begins it.
func (t *planText) anonymous(m *wire.Message) string {
	text := strings.ReplaceAll(m.Summary, m.Address, "\x00")
	if rest, ok := strings.CutPrefix(text, t.fleet.name(m.Address)+" "); ok && kindOf(m.Address) == "host" {
		return "\x00 " + rest
	}
	return text
}

// mostNamed is how many hosts a message names that is about several.
const mostNamed = 12

// several says which elements of a block messages are about: hosts by name, of others how many.
func (t *planText) several(all []wire.Message) string {
	block, _ := split(all[0].Address)
	if kindOf(all[0].Address) != "host" {
		return fmt.Sprintf("%s[*] (%d of them)", block, len(all))
	}
	var names []string
	for i := range all[:min(len(all), mostNamed)] {
		names = append(names, t.fleet.name(all[i].Address))
	}
	if more := len(all) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("... %d more", more))
	}
	return fmt.Sprintf("each of %s[*] (%s)", block, strings.Join(names, ", "))
}

// message writes one error or warning: the summary, where it comes from, and its lines.
func (t *planText) message(word string, m *wire.Message) {
	summary := m.Summary
	if m.Source.File != "" && !strings.Contains(summary, m.Source.File) {
		summary += " " + written(m.Source)
	}
	t.line("%s %s", word, summary)
	for _, d := range m.Detail {
		t.line("  %s", d)
	}
}

// written says where something is written: "(fleet.np.hcl:12)", or "(-var drain)" where there are no lines.
func written(s wire.Source) string {
	if s.Line == 0 {
		return "(" + s.File + ")"
	}
	return fmt.Sprintf("(%s:%d)", s.File, s.Line)
}

func (t *planText) unmentioned() []wire.Unplaced {
	var out []wire.Unplaced
	for _, u := range t.p.Unplaced {
		told := func(m wire.Message) bool { return mentions(&m, u.Address) }
		if !slices.ContainsFunc(t.p.Errors, told) && !slices.ContainsFunc(t.p.Warnings, func(m wire.Message) bool {
			return m.Code == "drain-partial" && told(m)
		}) {
			out = append(out, u)
		}
	}
	return out
}

func mentions(m *wire.Message, address string) bool {
	return m.Address == address || names(m.Summary, address) ||
		slices.ContainsFunc(m.Detail, func(d string) bool { return names(d, address) })
}

// names reports whether text has the address, not only a longer one that begins with it.
func names(text, address string) bool {
	for {
		_, rest, ok := strings.Cut(text, address)
		if !ok {
			return false
		}
		if next, _ := utf8.DecodeRuneInString(rest); rest == "" || next != '[' && next != '-' && next != '_' && !unicode.IsLetter(next) && !unicode.IsDigit(next) {
			return true
		}
		text = rest
	}
}

// unplacedRow is one or more instances of a block that the same filters keep from every host.
type unplacedRow struct {
	label, text, nearest string
	n                    int
}

// mostUnplaced bounds the rows of unplaced instances: a full fleet says so once, not ten thousand times.
const mostUnplaced = 20

// unplaced lists instances with the filters that removed the hosts.
func (t *planText) unplaced(all []wire.Unplaced) {
	rows := t.unplacedRows(all)
	hidden := 0
	if len(rows) > mostUnplaced && !t.o.Wide {
		for _, r := range rows[mostUnplaced:] {
			hidden += r.n
		}
		rows = rows[:mostUnplaced]
	}
	width := 0
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
	if hidden > 0 {
		t.line("  ... and %s more; -o wide lists them all", Count(hidden, "instance"))
	}
}

// unplacedRows collapses the instances of a block that have equal rejections; the nearest miss shown is the
// first one's.
func (t *planText) unplacedRows(all []wire.Unplaced) []*unplacedRow {
	type key struct{ block, text string }
	var rows []*unplacedRow
	at := map[key]*unplacedRow{}
	for i := range all {
		u := &all[i]
		r := &unplacedRow{label: u.Address, text: t.rejected(u), n: 1}
		if u.Placement != nil && u.Placement.Nearest != nil {
			r.nearest = t.fleet.name(u.Placement.Nearest.Host) + ", " + u.Placement.Nearest.Message
		}
		block, element := split(u.Address)
		same := key{block, r.text}
		if first := at[same]; first != nil && element != "" && !t.o.Wide {
			first.label = block + "[*]"
			first.n++
			continue
		}
		at[same] = r
		rows = append(rows, r)
	}
	return rows
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
