package render

import (
	"strconv"
	"strings"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// fewNamed is how many elements of a block are named before only their number is given.
const fewNamed = 8

// which names the elements of a block that a row is about: "[3]-[5]", "a, b". It is empty when there are
// too many; that something is destroyed is worth longer lists, as runs of numbers.
func which(rows []*wire.Change, destroys bool) string {
	if len(rows) < 2 || len(rows) > fewNamed && !destroys {
		return ""
	}
	var runs []string
	for i := 0; i < len(rows); {
		last := i
		for last+1 < len(rows) && isNext(rows[last], rows[last+1]) {
			last++
		}
		if last > i+1 { // two are not worth a dash
			runs = append(runs, keyOf(rows[i])+"-"+keyOf(rows[last]))
			i = last + 1
			continue
		}
		runs = append(runs, keyOf(rows[i]))
		i++
	}
	if len(runs) > fewNamed {
		return ""
	}
	return strings.Join(runs, ", ")
}

func keyOf(c *wire.Change) string {
	_, key := split(c.Address)
	return bare(key)
}

// isNext reports whether b has the number after a's: web[4] after web[3].
func isNext(a, b *wire.Change) bool {
	n, okA := number(a)
	m, okB := number(b)
	return okA && okB && m == n+1
}

func number(c *wire.Change) (int, bool) {
	n, err := strconv.Atoi(strings.Trim(keyOf(c), "[]"))
	return n, err == nil && strings.HasPrefix(keyOf(c), "[")
}
