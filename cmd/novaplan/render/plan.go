package render

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// Options shape the text of a plan.
type Options struct {
	Palette  Palette
	Wide     bool // one row for each change, with all its details
	Concise  bool // no details and reasons
	Chosen   bool // some of the spec was looked at, as -target or -exclude say
	Parallel int  // how much moves at once, for the summary; 0: not said
}

// Plan writes p for people: what is blocked, what changes and why, and the summary.
func Plan(w io.Writer, p *wire.Plan, o Options) error {
	t := &planText{p: p, o: o, fleet: newFleet(p.Hosts)}
	t.warnings()
	t.blocked()
	t.changes()
	t.summary()
	_, err := io.WriteString(w, t.b.String())
	return err
}

type planText struct {
	b     strings.Builder
	p     *wire.Plan
	o     Options
	fleet *fleet
}

func (t *planText) line(format string, args ...any) {
	t.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " "))
	t.b.WriteByte('\n')
}

// row is one line of the table of changes: sign, label, and text of its own width.
func (t *planText) row(s sign, label string, width int, text string) {
	t.b.WriteString(t.o.Palette.sign(s))
	t.b.WriteByte(' ')
	t.b.WriteString(label)
	if text != "" {
		t.b.WriteString(strings.Repeat(" ", max(width-utf8.RuneCountInString(label), 0)+2))
		t.b.WriteString(text)
	}
	t.b.WriteByte('\n')
}

// widestLabel bounds the column of addresses; longer ones push their own row only.
const widestLabel = 40

func (t *planText) changes() {
	all := groups(t.p.Changes, t.o.Wide)
	width := 0
	for _, g := range all {
		for _, label := range t.labels(g) {
			if n := utf8.RuneCountInString(label); n <= widestLabel {
				width = max(width, n)
			}
		}
	}
	for _, g := range all {
		t.group(g, width)
	}
}

// labels are what a group puts into the column of addresses.
func (t *planText) labels(g *group) []string {
	if !isMove(g.rows[0]) {
		return []string{g.label()}
	}
	var labels []string
	for _, c := range t.shownMoves(g) {
		labels = append(labels, c.Address)
	}
	return labels
}

func (t *planText) group(g *group, width int) {
	first := g.rows[0]
	switch {
	case isMove(first):
		t.moves(g, width)
	case kindOf(first.Address) == "host":
		t.row(g.sign, g.label(), width, t.hosts(g))
	case renamedFrom(first) != "":
		t.row(g.sign, g.label(), width, t.renamed(g))
	default:
		t.row(g.sign, g.label(), width, t.text(g))
	}
}

// text describes a group of instances or anything else that isn't a host or a move.
func (t *planText) text(g *group) string {
	first := g.rows[0]
	var parts []string
	if len(g.rows) > 1 {
		parts = append(parts, fmt.Sprint(len(g.rows)))
	}
	if names := which(g.rows, first.Action == "terminate"); names != "" && first.Action != "create" {
		parts = append(parts, names)
	}
	if g.sign.word != "" {
		parts = append(parts, g.sign.word)
	}
	if a := attributes(first); a != "" {
		parts = append(parts, a)
	}
	if details := t.details(g); details != "" {
		parts = append(parts, details)
	}
	switch {
	case first.Action == "create" && first.To != "":
		parts = append(parts, t.fleet.places(g.rows))
	case first.From != "":
		parts = append(parts, "on "+t.origins(g.rows))
	}
	return t.because(strings.Join(parts, "  "), first.Reason)
}

// details are those that all rows share; a group of many creates shows only the flavor.
func (t *planText) details(g *group) string {
	if t.o.Concise && g.rows[0].Action != "upload" { // which has nothing else to show
		return ""
	}
	if len(g.rows) > 1 && g.rows[0].Action == "create" {
		return flavorOf(&wire.Change{Details: g.details})
	}
	return strings.Join(g.details, ", ")
}

// because puts the reason behind the text. What is new, and what that needs, has no other reason.
func (t *planText) because(text string, r wire.Reason) string {
	switch {
	case t.o.Concise, r.Message == "", r.Code == "new", r.Code == "unclaimed-host", r.Code == "first-use":
		return text
	}
	why := r.Message
	if place := position(why); place != "" {
		why = strings.TrimSuffix(why, " "+place) + ", " + strings.Trim(place, "()")
	}
	return text + "   " + t.o.Palette.Faint("("+why+")")
}

// origins names the hosts that a group leaves, or counts them.
func (t *planText) origins(rows []*wire.Change) string {
	return t.named(rows, func(c *wire.Change) string { return c.From })
}

const fewHosts = 8

func (t *planText) named(rows []*wire.Change, host func(*wire.Change) string) string {
	seen := map[string]bool{}
	for _, c := range rows {
		seen[host(c)] = true
	}
	if len(seen) > fewHosts {
		return Count(len(seen), "host")
	}
	var names []string
	for i := range t.fleet.hosts {
		if address := t.fleet.hosts[i].Address; seen[address] {
			names = append(names, t.fleet.name(address))
			delete(seen, address)
		}
	}
	for _, c := range rows { // hosts that the plan doesn't list
		if address := host(c); seen[address] {
			names = append(names, t.fleet.name(address))
			delete(seen, address)
		}
	}
	return strings.Join(names, " ")
}

// shownMoves are the moves that are written in full: the first of several.
func (t *planText) shownMoves(g *group) []*wire.Change {
	if len(g.rows) > fewRows-1 && !t.o.Wide {
		return g.rows[:1]
	}
	return g.rows
}

// moves writes the first of several in full and counts the others.
func (t *planText) moves(g *group, width int) {
	shown := t.shownMoves(g)
	for _, c := range shown {
		text := t.fleet.name(c.From) + " -> " + t.fleet.name(c.To) + "  " + g.sign.word
		if !t.o.Concise {
			for _, d := range c.Details {
				if d = strings.TrimPrefix(d, g.sign.word+", "); d != g.sign.word {
					text += ", " + d
				}
			}
			if c.Bytes > 0 && !mentionsBytes(c.Details) {
				text += ", " + Bytes(c.Bytes)
			}
		}
		t.row(g.sign, c.Address, width, t.because(text, c.Reason))
	}
	if rest := g.rows[len(shown):]; len(rest) > 0 {
		to := t.named(rest, func(c *wire.Change) string { return c.To })
		t.line("    ... %d more %s, to %s", len(rest), g.sign.word, to)
	}
}

func mentionsBytes(details []string) bool {
	for _, d := range details {
		if strings.HasSuffix(d, "iB") || strings.Contains(d, "iB ") {
			return true
		}
	}
	return false
}

// hosts describes hosts that are claimed, released, or change their mode.
func (t *planText) hosts(g *group) string {
	first := g.rows[0]
	switch first.Action {
	case "claim", "create":
		return t.claimed(g.rows)
	case "unclaim", "forget":
		return t.because(fmt.Sprintf("%d released", len(g.rows)), first.Reason)
	}
	text := strings.TrimPrefix(attributes(first), "mode ")
	if len(g.rows) > 1 {
		if names := which(g.rows, false); names != "" {
			text = names + "  " + text
		}
		text = fmt.Sprintf("%d  %s", len(g.rows), text)
	}
	if place := position(first.Reason.Message); place != "" {
		return text + "   " + t.o.Palette.Faint(place)
	}
	return t.because(text, first.Reason)
}

// position cuts "(file:line)" or "(-var name)" off the end of a reason.
func position(message string) string {
	i := strings.LastIndex(message, " (")
	if i < 0 || !strings.HasSuffix(message, ")") {
		return ""
	}
	if place := message[i+1:]; strings.Contains(place, ":") || strings.HasPrefix(place, "(-var ") {
		return place
	}
	return ""
}

func (t *planText) claimed(rows []*wire.Change) string {
	reachable := 0
	for _, c := range rows {
		if i, ok := t.fleet.at[c.Address]; ok && t.fleet.hosts[i].Reachable {
			reachable++
		}
	}
	if len(rows) == 1 {
		return "claim, reachable"
	}
	return fmt.Sprintf("%d to claim, %d reachable", len(rows), reachable)
}

// seenAgo is the age of the oldest look at a host.
func (t *planText) seenAgo() time.Duration {
	var oldest int64
	for i := range t.p.Hosts {
		oldest = max(oldest, t.p.Hosts[i].SeenAgo)
	}
	return time.Duration(oldest) * time.Millisecond
}
