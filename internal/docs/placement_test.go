package docs

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/planner/placement"
)

// TestPlacementTables holds the tables of filters and weighers against the program: every name is the
// head of a row, and no row has a name that doesn't exist.
func TestPlacementTables(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	for head, names := range map[string][]string{
		"| filter | keeps hosts that |":      placement.FilterNames(),
		"| weigher | multiplier | prefers |": placement.WeigherNames(),
	} {
		_, table, found := strings.Cut(string(text), head)
		if !found {
			t.Fatalf("there is no table %q", head)
		}
		table, _, _ = strings.Cut(table, "\n\n")
		documented := map[string]bool{}
		for _, row := range strings.Split(table, "\n") {
			first, _, _ := strings.Cut(strings.TrimPrefix(row, "|"), "|")
			for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(first, -1) {
				documented[name[1]] = true
			}
		}
		for _, name := range names {
			if !documented[name] {
				t.Errorf("%s isn't in the table %q", name, head)
			}
			delete(documented, name)
		}
		for name := range documented {
			t.Errorf("%s in the table %q doesn't exist", name, head)
		}
	}
}
