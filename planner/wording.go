package planner

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/novaplan/novaplan/spec"
)

// at renders a position as " (file:line)".
func at(s spec.Source) string {
	if s.File == "" {
		return ""
	}
	if s.Line == 0 { // no file: "-var drain"
		return " (" + s.File + ")"
	}
	return " (" + s.File + ":" + strconv.Itoa(s.Line) + ")"
}

// counted renders a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// joinNames lists the first names and counts the rest.
func joinNames(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
}
