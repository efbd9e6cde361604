package lang

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const docsFile = "../../docs/language.md"

// documented lists the blocks of the language with what describes them.
func documented() map[string]struct {
	doc    string
	schema *schema
} {
	type d = struct {
		doc    string
		schema *schema
	}
	out := map[string]d{
		"novaplan": {settingsTable.doc, settingsTable.sch}, "variable": {variableTable.doc, variableTable.sch},
		"output": {outputTable.doc, outputTable.sch}, "scheduler": {schedulerTable.doc, schedulerTable.sch},
		"migration": {migrationTable.doc, migrationTable.sch},
		"moved":     {"", movedTable.sch}, "removed": {"", removedTable.sch},
		"zone": {zoneTable.doc, zoneTable.sch}, "host": {hostTable.doc, hostTable.sch}, "aggregate": {aggregateTable.doc, aggregateTable.sch},
		"pool": {poolTable.doc, poolTable.sch}, "flavor": {flavorTable.doc, flavorTable.sch}, "image": {imageTable.doc, imageTable.sch},
		"network": {networkTable.doc, networkTable.sch}, "server_group": {groupTable.doc, groupTable.sch},
		"keypair": {keypairTable.doc, keypairTable.sch}, "instance": {instanceTable.doc, instanceTable.sch},
	}
	return out
}

func attributeTable(s *schema) string {
	var b strings.Builder
	if len(s.fields) > 0 {
		b.WriteString("| argument | type | default | meaning |\n|---|---|---|---|\n")
	}
	for _, f := range s.fields {
		def := f.def
		switch {
		case f.required:
			def = "required"
		case def == "":
			def = "none"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.typ, def, f.doc)
	}
	for _, n := range s.blocks {
		label := ""
		switch {
		case n.strict:
			label = ` "name"`
		case n.labelled:
			label = ` ["name"]`
		}
		times := "any number"
		if n.max == 1 {
			times = "at most one"
		}
		fmt.Fprintf(&b, "\n`%s%s { ... }`, %s: %s.\n\n%s", n.name, label, times, n.doc, attributeTable(n.schema))
	}
	return b.String()
}

func generated(t *testing.T, marker string) string {
	if name, ok := strings.CutPrefix(marker, "attributes: "); ok {
		d, ok := documented()[name]
		if !ok {
			t.Fatalf("no block %q", name)
		}
		doc := ""
		if d.doc != "" {
			doc = d.doc + "\n\n"
		}
		return doc + attributeTable(d.schema)
	}
	switch marker {
	case "functions":
		var names []string
		for _, name := range sortedKeys(newEvaluator(context.Background(), "", Options{}).base.Functions) {
			if _, no := refused[name]; !no {
				names = append(names, "`"+name+"`")
			}
		}
		return strings.Join(names, ", ") + ".\n"
	case "limits":
		l := Limits{}.withDefaults()
		return fmt.Sprintf("| limit | value |\n|---|---|\n| bytes of a file | %d |\n| bytes of all spec and variable files of a folder | %d |\n| nesting of brackets, templates and blocks | %d |\n| operators in one expression | %d |\n| for expressions in each other | %d |\n| steps of all for expressions and ranges of a folder | %d |\n| elements of one block's `count` or `for_each` | %d |\n| length of a chain of references | %d |\n| characters and elements of a local value | %d |\n",
			l.FileBytes, l.FolderBytes, l.Nesting, l.Operators, l.ForNesting, l.Iterations, l.Elements, l.References, l.Value)
	}
	t.Fatalf("unknown marker %q", marker)
	return ""
}

var (
	markers  = regexp.MustCompile(`(?s)<!-- ([a-z][a-z_: ]*) -->\n.*?<!-- end -->`)
	examples = regexp.MustCompile("(?s)```hcl\n(.*?)```")
)

func TestDocsMatchTheTables(t *testing.T) {
	src, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	want := markers.ReplaceAllStringFunc(string(src), func(old string) string {
		m := markers.FindStringSubmatch(old)[1]
		seen[m] = true
		return "<!-- " + m + " -->\n" + generated(t, m) + "<!-- end -->"
	})
	for name := range documented() {
		if !seen["attributes: "+name] {
			t.Errorf("%s has no section for %s", docsFile, name)
		}
	}
	if *update {
		if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(src)); diff != "" {
		t.Errorf("%s (-want +got); -update rewrites it:\n%s", docsFile, diff)
	}
}

func TestEveryArgumentIsDescribed(t *testing.T) {
	var walk func(where string, s *schema)
	walk = func(where string, s *schema) {
		for _, f := range s.fields {
			if f.doc == "" || f.typ == "" {
				t.Errorf("%s.%s has no description or type", where, f.name)
			}
		}
		for _, b := range s.blocks {
			if b.doc == "" {
				t.Errorf("%s.%s has no description", where, b.name)
			}
			walk(where+"."+b.name, b.schema)
		}
	}
	for name, d := range documented() {
		walk(name, d.schema)
	}
	for _, w := range ignorable {
		_, isField := instanceTable.sch.index[w]
		_, isBlock := instanceTable.sch.nested[w]
		if w != "all" && !isField && !isBlock {
			t.Errorf("ignore_changes can name %s, which an instance doesn't have", w)
		}
	}
}

func TestDocsExamplesLoad(t *testing.T) {
	src, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, m := range examples.FindAllStringSubmatch(string(src), -1) {
		if formatted, diags := Format("example", []byte(m[1])); diags.HasErrors() || string(formatted) != m[1] {
			t.Errorf("not formatted: %v\n%s", diags, m[1])
		}
		all.WriteString(m[1] + "\n")
	}
	f := mustLoad(t, map[string]string{"docs.np.hcl": all.String()}, Options{Version: "0.1.0"})
	if len(f.Spec.Instances) != 4 || len(f.Spec.Hosts) != 3 {
		t.Errorf("%d instances, %d hosts", len(f.Spec.Instances), len(f.Spec.Hosts))
	}
}
