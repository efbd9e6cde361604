package lang

import (
	"fmt"
	"strings"
	"testing"
)

// Each expression becomes the name of a zone.
func TestFunctions(t *testing.T) {
	cases := []struct{ expr, want string }{
		{`cidrhost("10.0.0.0/8", 5)`, "10.0.0.5"},
		{`cidrsubnet("10.0.0.0/8", 8, 2)`, "10.2.0.0/16"},
		{`jsonencode(cidrsubnets("10.0.0.0/8", 8, 8))`, `["10.0.0.0/16","10.1.0.0/16"]`},
		{`cidrnetmask("10.0.0.0/8")`, "255.0.0.0"},
		{`jsonencode(range(3))`, "[0,1,2]"},
		{`jsonencode(range(5, 0, -2))`, "[5,3,1]"},
		{`length(range(5000))`, "5000"},
		{`length({ a = 1, b = 2 }) + length("abc") + length([1])`, "6"},
		{`index(["a", "b"], "b")`, "1"},
		{`sum([1, 2, 3.5])`, "6.5"},
		{`jsonencode(transpose({ a = ["x", "y"], b = ["y"] }))`, `{"x":["a"],"y":["a","b"]}`},
		{`one([7])`, "7"},
		{`alltrue([true, false])`, "false"},
		{`anytrue([true, false])`, "true"},
		{`startswith("abc", "ab") && endswith("abc", "bc") && strcontains("abc", "b")`, "true"},
		{`jsonencode(matchkeys(["a", "b"], ["x", "y"], ["y"]))`, `["b"]`},
		{`join(",", toset(["b", "a", "b"]))`, "a,b"},
		{`tostring(5)`, "5"},
		{`tonumber("5") + 1`, "6"},
		{`tobool("true")`, "true"},
		{`jsonencode(tomap({ a = 1 }))`, `{"a":1}`},
		{`jsonencode(tolist(toset([2, 1])))`, "[1,2]"},
		{`file("f.txt")`, "text"},
		{`fileexists("f.txt") && !fileexists("g.txt")`, "true"},
		{`join(",", fileset(".", "**/*.t*"))`, "f.txt,t.tftpl"},
		{`filebase64("f.txt")`, "dGV4dA=="},
		{`filesha256("f.txt") == sha256("text")`, "true"},
		{`filemd5("f.txt") == md5("text")`, "true"},
		{`templatefile("t.tftpl", { x = ["a", "b"] })`, "a;b;"},
		{`basename("/a/b") == "b" && dirname("/a/b") == "/a"`, "true"},
		{`yamldecode("a: [1, 2]").a[1]`, "2"},
		{`jsondecode("{\"a\": [1, 2]}").a[1]`, "2"},
		{`csvdecode("a,b\n1,2")[0].b`, "2"},
		{`try(local.nothing.x, "else")`, "else"},
		{`can(tonumber("x"))`, "false"},
		{`coalesce("", "b")`, "b"},
		{`lookup({ a = "x" }, "b", "y")`, "y"},
		{`format("%03d-%s", 7, "x")`, "007-x"},
		{`base64sha256("a")`, "ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs="},
		{`length(setproduct(["a", "b"], [1, 2, 3]))`, "6"},
		{`nonsensitive(sensitive("x"))`, "x"},
	}
	var b strings.Builder
	b.WriteString("locals { nothing = {} }\n")
	for i, c := range cases {
		fmt.Fprintf(&b, "zone \"z%d\" { name = \"%d ${%s}\" }\n", i, i, c.expr)
	}
	f := mustLoad(t, map[string]string{"a.np.hcl": b.String(), "f.txt": "text", "t.tftpl": "%{for e in x}${e};%{endfor}"}, Options{})
	for i, c := range cases {
		if got, want := f.Spec.Zones[i].Name, fmt.Sprintf("%d %s", i, c.want); got != want {
			t.Errorf("%s = %q, want %q", c.expr, got, want)
		}
	}
}

func TestFunctionsRefuse(t *testing.T) {
	files := map[string]string{"bad.tftpl": "${unknown}", "loop.tftpl": "${templatefile(\"loop.tftpl\", {})}", "deep.tftpl": strings.Repeat("%{if true}", 300), "bin": "\xff", "deep.json": strings.Repeat("[\n\"]\",", 20000)}
	for expr, want := range map[string]string{
		`templatefile("bad.tftpl", {})`:        `no variable "unknown"`,
		`templatefile("loop.tftpl", {})`:       `There is no function named "templatefile"`,
		`templatefile("deep.tftpl", {})`:       "nesting",
		`file("bin")`:                          "UTF-8",
		`file(".")`:                            "regular file",
		`file("/etc/hostname")`:                "outside of the folder",
		`jsondecode(file("deep.json"))`:        "nested too deeply",
		`setproduct(range(5000), range(5000))`: "limited to",
		`range(0, 5, 0)`:                       "no end",
		`timestamp()`:                          "differ in every plan",
		`index(["a"], "b")`:                    "isn't in the list",
		`one([1, 2])`:                          "at most one",
		`tonumber("x")`:                        "cannot convert",
	} {
		files["a.np.hcl"] = "zone \"a\" {}\nlocals { x = " + expr + " }"
		f, diags := load(t, files, Options{Confined: true})
		if got := text(f, diags); !diags.HasErrors() || !strings.Contains(got, want) {
			t.Errorf("%s: want %q in\n%s", expr, want, got)
		}
	}
}
