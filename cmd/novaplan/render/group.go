package render

import (
	"slices"
	"strings"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// group is rows of a plan that say the same and are shown as one.
type group struct {
	sign    sign
	block   string
	rows    []*wire.Change
	details []string // common to all rows
}

// groupKey is what rows must have in common to collapse. Moves collapse by the host that they leave,
// anything else by block.
type groupKey struct {
	rank                       int
	action, what, reason, text string
}

// groups collapses changes and puts them in the order of a plan.
func groups(changes []wire.Change, wide bool) []*group {
	var out []*group
	at := make(map[groupKey]*group, 16)
	for i := range changes {
		c := &changes[i]
		s := signOf(c)
		block, key := split(c.Address)
		alike := key != "" && c.Action != "upload" || isMove(c) // images have sizes of their own
		k := groupKey{rank: s.rank, action: c.Action, what: block, reason: c.Reason.Message, text: attributes(c)}
		switch {
		case isMove(c):
			k.what, k.text = c.From, ""
		case c.Reason.Code == "new":
			k.text = flavorOf(c)
		case renamedFrom(c) != "":
			k.text, alike = oldBlock(c)
			k.reason = ""
		}
		if g := at[k]; g != nil && !wide && alike {
			g.rows = append(g.rows, c)
			g.details = common(g.details, c.Details)
			continue
		}
		g := &group{sign: s, block: block, rows: []*wire.Change{c}, details: c.Details}
		out = append(out, g)
		if alike {
			at[k] = g
		}
	}
	slices.SortStableFunc(out, func(a, b *group) int { return a.sign.rank - b.sign.rank })
	return out
}

func isMove(c *wire.Change) bool {
	return c.Action == "live-migrate" || c.Action == "cold-migrate" || c.Action == "evacuate"
}

func flavorOf(c *wire.Change) string {
	for _, d := range c.Details {
		if strings.HasPrefix(d, "flavor ") {
			return d
		}
	}
	return ""
}

// common keeps what is in both lists.
func common(a, b []string) []string {
	same := true
	for _, d := range a {
		if !slices.Contains(b, d) {
			same = false
			break
		}
	}
	if same {
		return a
	}
	var out []string
	for _, d := range a {
		if slices.Contains(b, d) {
			out = append(out, d)
		}
	}
	return out
}

// label is the address shown for the group: instance.web[*] for several.
func (g *group) label() string {
	if len(g.rows) == 1 {
		return g.rows[0].Address
	}
	return g.block + "[*]"
}

// attributes writes what differs: "flavor m1.small -> m1.medium, ram 2 -> 4 GiB".
func attributes(c *wire.Change) string {
	if len(c.Attributes) == 0 {
		return ""
	}
	parts := make([]string, len(c.Attributes))
	for i, a := range c.Attributes {
		parts[i] = a.Name + " " + orNone(a.Old) + " -> " + orNone(a.New)
	}
	return strings.Join(parts, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
