package lang

import (
	"fmt"
	"strings"
)

// diffContext is how many unchanged lines a hunk shows around a change.
const diffContext = 3

// unifiedDiff compares two texts line by line. Formatting keeps the number and order of lines
// nearly always, so lines are matched greedily: the next equal line within a window ends a change.
func unifiedDiff(name string, before, after []byte) string {
	a, b := lines(before), lines(after)
	var out strings.Builder
	fmt.Fprintf(&out, "--- old/%s\n+++ new/%s\n", name, name)
	edits := matchLines(a, b)
	for start := 0; start < len(edits); {
		end := start + 1
		for end < len(edits) && edits[end].aFrom-edits[end-1].aTo <= 2*diffContext {
			end++
		}
		writeHunk(&out, a, b, edits[start:end])
		start = end
	}
	return out.String()
}

func lines(src []byte) []string {
	s := strings.Split(string(src), "\n")
	if s[len(s)-1] == "" {
		s = s[:len(s)-1]
	}
	return s
}

// edit replaces lines [aFrom,aTo) by [bFrom,bTo).
type edit struct{ aFrom, aTo, bFrom, bTo int }

func matchLines(a, b []string) []edit {
	const window = 200
	var edits []edit
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i, j = i+1, j+1
			continue
		}
		di, dj := len(a)-i, len(b)-j
	search:
		for total := 1; total < window; total++ {
			for x := 0; x <= total; x++ {
				if y := total - x; i+x < len(a) && j+y < len(b) && a[i+x] == b[j+y] {
					di, dj = x, y
					break search
				}
			}
		}
		edits = append(edits, edit{i, i + di, j, j + dj})
		i, j = i+di, j+dj
	}
	return edits
}

func writeHunk(out *strings.Builder, a, b []string, edits []edit) {
	first, last := edits[0], edits[len(edits)-1]
	from, to := max(0, first.aFrom-diffContext), min(len(a), last.aTo+diffContext)
	bFrom := first.bFrom - (first.aFrom - from)
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", from+1, to-from, bFrom+1, last.bTo+(to-last.aTo)-bFrom)
	at := from
	for _, e := range edits {
		for ; at < e.aFrom; at++ {
			out.WriteString(" " + a[at] + "\n")
		}
		for ; at < e.aTo; at++ {
			out.WriteString("-" + a[at] + "\n")
		}
		for _, l := range b[e.bFrom:e.bTo] {
			out.WriteString("+" + l + "\n")
		}
	}
	for ; at < to; at++ {
		out.WriteString(" " + a[at] + "\n")
	}
}
