package render

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// Explain writes why an instance is where it is, what would happen to it, which filter removed which
// hosts, and how the rest were weighed.
func Explain(w io.Writer, e *wire.Explanation, o Options) error {
	t := &explainText{e: e, o: o}
	t.place()
	t.change()
	t.messages()
	t.placement()
	_, err := io.WriteString(w, t.b.String())
	return err
}

type explainText struct {
	b strings.Builder
	e *wire.Explanation
	o Options
}

func (t *explainText) line(format string, args ...any) {
	t.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

func (t *explainText) name(host string) string { return either(t.e.Names[host], host) }

func (t *explainText) place() {
	where := "is on no host"
	if t.e.Host != "" {
		where = "is on " + t.e.HostName
	}
	t.line("%s %s.", t.o.Palette.Bold(t.e.Address), where)
	if t.e.Since != "" {
		t.line("  put there by %s", t.e.Since)
	}
}

func (t *explainText) change() {
	if u := t.e.Unplaced; u != nil {
		t.line("%s %s", t.o.Palette.Bad("It can't be placed:"), u.Reason.Message)
	}
	c := t.e.Change
	if c == nil {
		if t.e.Unplaced == nil {
			t.line("Nothing would happen to it now.")
		}
		return
	}
	text := c.Action
	if c.From != "" {
		text += " from " + t.name(c.From)
	}
	if c.To != "" {
		text += " to " + t.name(c.To)
	}
	why, place := c.Reason.Message, position(c.Reason.Message)
	if place != "" {
		why = strings.TrimSuffix(why, " "+place) + ", " + strings.Trim(place, "()")
	}
	t.line("The plan: %s   (%s)", text, why)
}

func (t *explainText) messages() {
	for _, m := range t.e.Messages {
		t.line("%s", m.Summary)
		for _, d := range m.Detail {
			t.line("  %s", d)
		}
	}
}

func (t *explainText) placement() {
	p := t.e.Placement
	if p == nil {
		return
	}
	t.line("")
	t.line("%s looked at:", Count(p.Candidates, "host"))
	for _, r := range p.Rejections {
		t.line("  %-32s removed %d", r.Filter, r.Hosts)
		t.reasons(&r)
	}
	t.line("  %-32s %d", "left to choose from", len(p.Ranked))
	if n := p.Nearest; n != nil {
		t.line("Nearest miss: %s, %s", t.name(n.Host), n.Message)
	}
	t.ranked(p)
}

// fewReasons is how many hosts of one filter are listed unless wide.
const fewReasons = 3

func (t *explainText) reasons(r *wire.Rejection) {
	shown := r.Reasons
	if !t.o.Wide && len(shown) > fewReasons {
		shown = shown[:fewReasons]
	}
	for _, h := range shown {
		t.line("      %s  %s", t.name(h.Host), h.Message)
	}
	if rest := len(r.Reasons) - len(shown); rest > 0 {
		t.line("      ... %d more (-o wide)", rest)
	}
	if len(r.Reasons) == 0 && r.Example != "" {
		t.line("      %s", r.Example)
	}
}

// fewRanked is how many weighed hosts are listed unless wide.
const fewRanked = 5

func (t *explainText) ranked(p *wire.Placement) {
	if len(p.Ranked) == 0 {
		return
	}
	ranked := p.Ranked
	if !t.o.Wide && len(ranked) > fewRanked {
		ranked = ranked[:fewRanked]
	}
	var table Table
	head := []string{"HOST", "WEIGHT"}
	weighers := useful(p.Ranked)
	head = append(head, weighers...)
	table.Row(head...)
	for _, h := range ranked {
		row := []string{t.name(h.Host), fmt.Sprintf("%.3f", h.Weight)}
		for _, name := range weighers {
			row = append(row, share(h.Parts, name))
		}
		table.Row(row...)
	}
	t.line("")
	t.b.WriteString(table.String())
	if rest := len(p.Ranked) - len(ranked); rest > 0 {
		t.line("... %d more (-o wide)", rest)
	}
	t.line("Each weigher gives normalized x multiplier; the raw value (MiB for ram and disk) is in brackets. Ties go to the host first in the spec.")
}

// raw writes what a weigher read off a host: MiB or cores as they are, without an exponent.
func raw(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// useful names the weighers that tell hosts apart.
func useful(ranked []wire.RankedHost) []string {
	var names []string
	for _, h := range ranked {
		for _, p := range h.Parts {
			if p.Normalized*p.Multiplier != 0 && !slices.Contains(names, p.Weigher) {
				names = append(names, p.Weigher)
			}
		}
	}
	return names
}

func share(parts []wire.WeightPart, weigher string) string {
	for _, p := range parts {
		if p.Weigher == weigher {
			return fmt.Sprintf("%.3f x %s (%s)", p.Normalized, ratio(p.Multiplier), raw(p.Raw))
		}
	}
	return "-"
}
