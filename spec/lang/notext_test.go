package lang

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatIsNoText: one mistake is one message, and nothing of such a file reaches the terminal as it is.
func TestWhatIsNoText(t *testing.T) {
	tests := map[string]struct {
		content string
		want    string
		errors  int
	}{
		"zero bytes":     {"zone \"a\" {}\x00", "a.np.hcl holds zero bytes", 1},
		"UTF-16":         {"\xff\xfez\x00o\x00n\x00e\x00", "was it saved as UTF-16", 1},
		"Latin-1":        {"locals {\n  city = \"K\xf6ln\"\n}\n", "convert the file with iconv", 1},
		"escapes":        {"zone \"a\" { nam = \"\x1b[2J\" }\n", "There is no argument named \"nam\"", 1},
		"carriage":       {"zone \"a\" {\r\n  nam = 1\r\n}\r\n", "Did you mean name?", 1},
		"byte-order":     {"\xef\xbb\xbfzone \"a\" {}\n", "", 0},
		"CRLF, no error": {"zone \"a\" {\r\n}\r\n", "", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "a.np.hcl"), []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			f, diags := Load(t.Context(), dir, Options{})
			var b strings.Builder
			if err := WriteText(&b, diags, f.Files, TextOptions{}); err != nil {
				t.Fatal(err)
			}
			if len(diags.Errs()) != test.errors || !strings.Contains(b.String(), test.want) {
				t.Errorf("%d errors, want %d with %q:\n%s", len(diags.Errs()), test.errors, test.want, b.String())
			}
			if strings.ContainsAny(b.String(), "\x00\x1b\r") {
				t.Errorf("it writes to the terminal: %q", b.String())
			}
		})
	}
}

// TestFolderWithAFilesName: it would look as if what the file described was to be destroyed.
func TestFolderWithAFilesName(t *testing.T) {
	for _, name := range []string{"b.np.hcl", "b.np.json", "b.auto.npvars"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.np.hcl"), []byte("zone \"a\" {}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		_, diags := Load(t.Context(), dir, Options{})
		if !diags.HasErrors() || !strings.Contains(diags.Error(), name+" has the name of a file and is a folder") {
			t.Errorf("%s: %v", name, diags)
		}
	}
}
