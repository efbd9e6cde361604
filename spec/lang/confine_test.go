package lang

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A confined spec reads nothing that isn't in its folder, by whatever way; what is in it, it reads through links too.
func TestConfined(t *testing.T) {
	const secret = "hunter2"
	for name, c := range map[string]struct {
		spec string
		make func(dir, outside string) error
		want string // of the diagnostics; "" for none
	}{
		"in the folder":    {`output "x" { value = file("in.txt") }`, nil, ""},
		"through a link":   {`output "x" { value = file("link") }`, link("in.txt", "link"), ""},
		"through a folder": {`output "x" { value = file("..data/in.txt") }`, link(".", "..data"), ""},
		"by dots":          {`output "x" { value = file("../outside/secret") }`, nil, "outside of the folder"},
		"absolute":         {`output "x" { value = file("OUTSIDE/secret") }`, nil, "outside of the folder"},
		"what isn't there": {`output "x" { value = file("../nothing") }`, nil, "outside of the folder"},
		"a link out":       {`output "x" { value = file("link") }`, link("../outside/secret", "link"), "outside of the folder"},
		"a folder that leads out": {`output "x" { value = file("sub/secret") }`, link("../outside", "sub"),
			"outside of the folder"},
		"home":            {`output "x" { value = file("~/.ssh/id_rsa") }`, nil, "outside of the folder"},
		"a template":      {`output "x" { value = templatefile("../outside/secret", {}) }`, nil, "outside of the folder"},
		"a digest":        {`output "x" { value = filesha256("../outside/secret") }`, nil, "outside of the folder"},
		"existence":       {`output "x" { value = fileexists("../outside/secret") }`, nil, "outside of the folder"},
		"a list":          {`output "x" { value = fileset("..", "**") }`, nil, "outside of the folder"},
		"a spec file":     {``, link("../outside/secret", "more.np.hcl"), "outside of the folder"},
		"a values file":   {``, link("../outside/secret", "more.auto.npvars"), "outside of the folder"},
		"a dangling link": {`output "x" { value = fileexists("link") }`, link("../outside/none", "link"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			dir, outside := filepath.Join(base, "spec"), filepath.Join(base, "outside")
			t.Setenv("HOME", outside)
			write := func(path, text string) {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			write(filepath.Join(outside, "secret"), secret)
			write(filepath.Join(outside, ".ssh/id_rsa"), secret)
			write(filepath.Join(dir, "in.txt"), "fine")
			write(filepath.Join(dir, "main.np.hcl"), strings.ReplaceAll(c.spec, "OUTSIDE", outside))
			if c.make != nil {
				if err := c.make(dir, outside); err != nil {
					t.Fatal(err)
				}
			}
			f, diags := Load(t.Context(), dir, Options{Confined: true})
			if c.spec != "" && !diags.HasErrors() {
				_, more := f.Outputs(nil)
				diags = append(diags, more...)
			}
			var text strings.Builder
			if err := WriteText(&text, diags, f.Files, TextOptions{}); err != nil {
				t.Fatal(err)
			}
			got := text.String()
			if strings.Contains(got, secret) {
				t.Errorf("the secret is shown: %s", got)
			}
			if !strings.Contains(got, c.want) || c.want == "" && got != "" {
				t.Errorf("want %q, got %q", c.want, got)
			}
		})
	}
}

func link(to, name string) func(dir, outside string) error {
	return func(dir, _ string) error { return os.Symlink(to, filepath.Join(dir, name)) }
}

// Whoever watches the folder learns what else to look at, also from a spec with mistakes.
func TestReads(t *testing.T) {
	dir := folder(t, map[string]string{
		"main.np.hcl": `
locals {
  a = file("a.txt")
  b = fileexists("b.txt")
  c = fileset("keys", "*.pub")
  d = templatefile("d.tftpl", { x = 1 })
}
oops {}`,
		"a.txt": "A", "d.tftpl": "$${x}",
	})
	f, diags := Load(t.Context(), dir, Options{})
	if !diags.HasErrors() {
		t.Error("the mistake isn't found")
	}
	var got []string
	for path, content := range f.Reads() {
		got = append(got, filepath.Base(path)+"="+string(content))
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"a.txt=A", "b.txt=", "d.tftpl=$${x}", "keys="}, got); diff != "" {
		t.Error(diff)
	}
}
