package wire_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// TestSchemaIsDocumented compares docs/plan-schema.md with what is really printed: every field, and
// every code and action that the planner knows.
func TestSchemaIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/plan-schema.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := func(what, name string) {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/plan-schema.md does not mention the %s `%s`", what, name)
		}
	}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			documented("field", name)
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[wire.Plan]())
	for _, file := range []string{"../../../planner/reasons.go", "../../../planner/plan.go"} {
		for _, name := range constants(t, file) {
			documented("code", name)
		}
	}
	if !strings.Contains(string(page), `"`+wire.PlanFormat+`"`) {
		t.Errorf("docs/plan-schema.md is not about format %s", wire.PlanFormat)
	}
}

// constants returns the values of a file's string constants.
func constants(t *testing.T, path string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for _, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					text, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, text)
				}
			}
		}
		return true
	})
	if len(values) < 10 {
		t.Fatalf("only %d constants in %s: the reader is broken", len(values), path)
	}
	return values
}
