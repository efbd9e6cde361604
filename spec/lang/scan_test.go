package lang

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScanFindsWhatIsTooDeep(t *testing.T) {
	deep := func(open, inner, end string, n int) string {
		return "locals {\n  a = " + strings.Repeat(open, n) + inner + strings.Repeat(end, n) + "\n}\n"
	}
	for name, c := range map[string]struct{ ok, bad string }{
		"parentheses":                  {deep("(", "1", ")", 100), deep("(", "1", ")", 300)},
		"lists":                        {deep("[", "1", "]", 100), deep("[", "1", "]", 300)},
		"templates":                    {deep(`"${`, "1", `}"`, 60), deep(`"${`, "1", `}"`, 300)},
		"directives":                   {"locals {\n  a = \"" + strings.Repeat("%{if true}", 50) + strings.Repeat("%{endif}", 50) + "\"\n}\n", "locals {\n  a = \"" + strings.Repeat("%{if true}", 300) + strings.Repeat("%{endif}", 300) + "\"\n}\n"},
		"signs":                        {deep("!", "true", "", 10), deep("!", "true", "", 3000)},
		"sums":                         {deep("1 + ", "1", "", 100), deep("1 + ", "1", "", 3000)},
		"sums over lines":              {"locals {\n  a = (" + strings.Repeat("1 +\n", 100) + "1)\n}\n", "locals {\n  a = (" + strings.Repeat("1 +\n", 3000) + "1)\n}\n"},
		"brackets hidden by a comment": {deep("(", "1", ")", 10), "locals {\n  a = " + strings.Repeat("( /* ) */", 300) + "1" + strings.Repeat(")", 300) + "\n}\n"},
		"brackets hidden by a string":  {deep("(", "1", ")", 10), "locals {\n  a = " + strings.Repeat("[\")\", ", 300) + "1" + strings.Repeat("]", 300) + "\n}\n"},
	} {
		lim := Limits{}.withDefaults()
		for src, want := range map[string]bool{c.ok: false, c.bad: true} {
			if hit := scanExact([]byte(src), lim); (hit != nil) != want {
				t.Errorf("%s: exact scan: %v", name, hit)
			}
			if _, hit, sure := scanSource([]byte(src), lim); sure && (hit != nil) != want {
				t.Errorf("%s: fast scan: %v", name, hit)
			}
			if f, diags := load(t, map[string]string{"a.np.hcl": src + "zone \"a\" {}\n"}, Options{}); diags.HasErrors() != want {
				t.Errorf("%s: load: %s", name, text(f, diags))
			}
		}
	}
}

func TestScanJSON(t *testing.T) {
	lim := Limits{}.withDefaults()
	for src, want := range map[string]bool{
		`{"a": [[1]]}`: false,
		`{"a": "` + strings.Repeat("[", 1000) + `"}`:   true, // an expression, in some attributes
		strings.Repeat("[", 1000):                      true,
		`{"a": "` + strings.Repeat(`${\"`, 300) + `"}`: true,
		`{"a": "${[for a in b : [for c in d : c]]}"}`:  true,
		`{"a": "${[for a in b : a]} for all"}`:         false,
	} {
		if hit := scanJSON([]byte(src), lim); (hit != nil) != want {
			t.Errorf("%.40s: %v", src, hit)
		}
	}
}

// A file that is cut in pieces and the same file in one piece are the same spec.
func TestPiecesMakeTheWhole(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("testdata", "good", "blocks.np.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	padded := strings.ReplaceAll(string(src), "\n}\n", "\n}\n# "+strings.Repeat("x", chunkBytes)+"\n")
	if cuts, _, sure := scanSource([]byte(padded), Limits{}.withDefaults()); len(cuts) < 10 || !sure {
		t.Fatalf("%d cuts, sure = %t", len(cuts), sure)
	}
	unsure := padded + "locals { dollars = \"$$${1}\" }\n"
	if _, _, sure := scanSource([]byte(unsure), Limits{}.withDefaults()); sure {
		t.Fatal("the scan is sure of $$${")
	}
	pieces := mustLoad(t, map[string]string{"a.np.hcl": padded}, Options{})
	whole := mustLoad(t, map[string]string{"a.np.hcl": unsure}, Options{})
	if diff := cmp.Diff(specJSON(t, whole), specJSON(t, pieces)); diff != "" {
		t.Errorf("(-whole +pieces):\n%s", diff)
	}
	broken := padded + "zone \"x\" {\n  name = \n}\n"
	f, diags := load(t, map[string]string{"a.np.hcl": broken}, Options{})
	if want := strings.Count(broken, "\n") - 1; len(diags) == 0 || diags[0].Subject.Start.Line != want {
		t.Errorf("want an error in line %d: %s", want, text(f, diags))
	}
}
