package lang_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/novaplan/novaplan/spec"
	"github.com/novaplan/novaplan/spec/lang"
)

func TestLocate(t *testing.T) {
	dir := t.TempDir()
	text := "image \"a\" {\n  source = \"a.qcow2\"\n}\nimage \"b\" {\n  count  = 2\n  source = \"b.qcow2\"\n}\nhost \"h\" { uri = \"sim://h\" }\n"
	if err := os.WriteFile(filepath.Join(dir, "x.np.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, diags := lang.Load(t.Context(), dir, lang.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, tt := range []struct {
		address   spec.Address
		attribute string
		line      int // 0: nowhere
	}{
		{"image.a", "source", 2},
		{"image.a", "checksum", 1},
		{"image.b[1]", "source", 6},
		{"image.c", "source", 0},
		{"unknown.a", "source", 0},
	} {
		rng := f.Locate(tt.address, tt.attribute)
		switch {
		case rng == nil && tt.line != 0:
			t.Errorf("%s of %s is nowhere, want line %d", tt.attribute, tt.address, tt.line)
		case rng != nil && (rng.Start.Line != tt.line || rng.Filename != "x.np.hcl"):
			t.Errorf("%s of %s is at %s, want line %d", tt.attribute, tt.address, rng, tt.line)
		}
	}
}
