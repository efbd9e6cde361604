package lang

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// seeds are the files of testdata and what has broken parsers before.
func seeds(f *testing.F) []string {
	out := []string{
		"", "\xff", "locals { a = ", "a = <<E\n${", "a = \"${\"${\"", "locals { x = <<-E\n  ${1}\n  E\n}\n", "/*", "x = \"$${a}%%{\"",
		strings.Repeat("{", 300), "locals { a = " + strings.Repeat("[", 300), "locals { a = " + strings.Repeat("-", 5000) + "1 }",
		"locals { a = \"" + strings.Repeat("%{if true}", 300) + "\" }", "locals { a = " + strings.Repeat("true ? 1 : ", 3000) + "1 }",
		"instance \"a\" {\n count = 1e999\n}", "flavor \"a\" {\n ram = 1e400\n vcpus = 1/3\n}", "host \"a\" {\n for_each = null\n}",
		"network \"a\" {\n cidr = \"::/0\"\n gateway = \"10.0.0.1\"\n allocation_pool = [\"::1\", \"10.0.0.1\"]\n bridge = \"b\"\n}",
		"locals { a = jsondecode(\"" + strings.Repeat("[", 9000) + "\") }",
	}
	for _, pattern := range []string{"testdata/bad/*.hcl", "testdata/good/*.hcl", "testdata/reference/*.hcl"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, name := range files {
			src, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			out = append(out, string(src))
		}
	}
	return out
}

var fuzzLimits = Limits{Iterations: 2000, Elements: 1000, FileBytes: 1 << 16, Value: 1 << 20, References: 100}

func FuzzLoad(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s, false)
	}
	f.Add(`{"zone": {"a": {"name": "${[for a in [1] : a][0]}"}}, "locals": {"x": [1, "${local.x}"]}}`, true)
	f.Add(`{"instance": {"a": {"dynamic": {"nic": {"for_each": [1], "content": {"network": "${network.a}"}}}}}}`, true)
	f.Fuzz(func(t *testing.T, src string, isJSON bool) {
		name := "a" + SpecSuffix
		if isJSON {
			name = "a" + SpecJSONSuffix
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		folder, diags := Load(ctx, folder(t, map[string]string{name: src}), Options{Limits: fuzzLimits, Confined: true})
		text(folder, diags)
		ToJSON(diags, folder.Files)
		folder.Graph().DOT()
		if !diags.HasErrors() {
			folder.Outputs(nil)
		}
	})
}

// FuzzScan checks that the fast scan agrees with HCL's own lexer and parser.
func FuzzScan(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		lim := Limits{Nesting: 20, Operators: 50}.withDefaults()
		cuts, hit, sure := scanSource([]byte(src), lim)
		if !sure || hit != nil {
			return
		}
		if _, diags := hclsyntax.ParseConfig([]byte(src), "", hcl.InitialPos); diags.HasErrors() {
			return // then it is parsed in one piece, after the exact scan
		}
		exact := lim
		exact.Nesting, exact.Operators = lim.Nesting+2, 4*lim.Operators
		if hit := scanExact([]byte(src), exact); hit != nil {
			t.Errorf("the fast scan accepts what the exact one refuses: %v", hit)
		}
		from := 0
		for _, c := range cuts {
			if _, diags := hclsyntax.ParseConfig([]byte(src[from:c.offset]), "", hcl.InitialPos); diags.HasErrors() {
				t.Errorf("cut at %d, inside of something: %v", c.offset, diags)
			}
			from = c.offset
		}
	})
}
