package lang

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const unformatted = "zone  \"a\" {\nname=\"x\"\n}\n"
const formatted = "zone \"a\" {\n  name = \"x\"\n}\n"

func TestFormat(t *testing.T) {
	got, diags := Format("a.np.hcl", []byte(unformatted))
	if diags.HasErrors() || string(got) != formatted {
		t.Errorf("got %q, %v", got, diags)
	}
	for name, bad := range map[string]string{"syntax": "zone {", "nesting": strings.Repeat("(", 5000)} {
		if _, diags := Format(name, []byte(bad)); !diags.HasErrors() {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFormattingIsStable(t *testing.T) {
	files := []string{"testdata/reference/full.hcl", "testdata/reference/spec.np.hcl", "testdata/good/blocks.np.hcl"}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, diags := Format(name, src)
		if diags.HasErrors() || string(got) != string(src) {
			t.Errorf("%s isn't stable under formatting: %s %v", name, unifiedDiff(name, src, got), diags)
		}
	}
}

func TestFormatFiles(t *testing.T) {
	dir := folder(t, map[string]string{"a.np.hcl": unformatted, "b.np.hcl": formatted, "c.auto.npvars": "a=1\n", "d.np.hcl~": unformatted, "e.hcl": unformatted})
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	deep := filepath.Join(sub, "x.np.hcl")
	if err := os.WriteFile(deep, []byte(unformatted), 0o640); err != nil {
		t.Fatal(err)
	}
	count := func(opts FormatOptions, want int) []Formatted {
		t.Helper()
		got, _, diags := FormatFiles([]string{dir}, opts)
		if diags.HasErrors() || len(got) != want {
			t.Fatalf("%d files, want %d: %v", len(got), want, diags)
		}
		return got
	}
	diff := count(FormatOptions{}, 2)[0].Diff()
	if want := "@@ -1,3 +1,3 @@\n-zone  \"a\" {\n-name=\"x\"\n+zone \"a\" {\n+  name = \"x\"\n }\n"; !strings.HasSuffix(diff, want) {
		t.Errorf("diff:\n%s", diff)
	}
	count(FormatOptions{Recursive: true}, 3)
	count(FormatOptions{Recursive: true, Write: true}, 3)
	count(FormatOptions{Recursive: true}, 0)
	if info, err := os.Stat(deep); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode of a formatted file changed: %v %v", info.Mode(), err)
	}
	if _, _, diags := FormatFiles([]string{filepath.Join(dir, "missing")}, FormatOptions{}); !diags.HasErrors() {
		t.Error("a missing file: no error")
	}
}
