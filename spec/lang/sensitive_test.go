package lang

import (
	"strings"
	"testing"

	"github.com/novaplan/novaplan/spec"
)

const secretSpec = `
variable "pw" {
  type      = string
  sensitive = true
}
locals { data = "password: ${var.pw}" }
flavor "f" {
  vcpus = 1
  ram   = 512
}
image "i" { source = "/i.qcow2" }
instance "a" {
  count     = 2
  flavor    = flavor.f
  image     = image.i
  user_data = "${local.data} ${count.index}"
}
host "h" {
  uri = "sim://h"
  fence {
    agent   = "x"
    options = { password = var.pw }
  }
}
output "o" {
  value     = local.data
  sensitive = true
}
`

func TestSensitiveValuesGoWhereTheyMay(t *testing.T) {
	files := map[string]string{"a.np.hcl": secretSpec, "x.auto.npvars": `pw = "hunter2"`}
	f := mustLoad(t, files, Options{})
	if s, _ := f.Spec.Instances[1].UserData.Plain(); s != "password: hunter2 1" {
		t.Errorf("user data %q", s)
	}
	if s, _ := f.Spec.Hosts[0].Fence.Options["password"].Plain(); s != "hunter2" {
		t.Errorf("fence option %q", s)
	}
	if strings.Contains(specJSON(t, f), "hunter2") {
		t.Error("the spec as JSON shows the secret")
	}
	out, diags := f.Outputs(map[spec.Address]Decided{})
	if diags.HasErrors() || len(out) != 1 || !out[0].Sensitive || string(out[0].JSON) != `"password: hunter2"` {
		t.Errorf("outputs %+v, %v", out, diags)
	}
}

func TestSensitiveValuesNeverShowInMessages(t *testing.T) {
	for name, extra := range map[string]string{
		"type":       "variable \"n\" {\n  type      = number\n  sensitive = true\n}",
		"validation": "variable \"n\" {\n  sensitive = true\n  validation {\n    condition     = false\n    error_message = \"bad ${var.n}\"\n  }\n}",
		"output":     "variable \"n\" { sensitive = true }\noutput \"p\" { value = var.n }",
		"function":   "variable \"n\" { sensitive = true }\nlocals { x = tonumber(var.n) }",
		"file":       "variable \"n\" { sensitive = true }\nlocals { x = file(var.n) }",
		"index":      "variable \"n\" { sensitive = true }\nlocals { x = { a = 1 }[var.n] }",
		"reference":  "variable \"n\" { sensitive = true }\nhost \"z\" {\n  uri  = \"sim://z\"\n  zone = zone[var.n]\n}",
		"map":        "variable \"n\" { sensitive = true }\nhost \"z\" {\n  uri    = \"sim://z\"\n  labels = { a = var.n }\n}",
		"template":   "variable \"n\" { sensitive = true }\nlocals { x = templatefile(\"t.tftpl\", { n = var.n }) }",
	} {
		files := map[string]string{"a.np.hcl": secretSpec + extra, "x.auto.npvars": `pw = "x"`, "t.tftpl": "${tonumber(n)}"}
		f, diags := load(t, files, Options{Vars: map[string]string{"n": "hunter2"}})
		got := text(f, diags)
		if !diags.HasErrors() {
			out, more := f.Outputs(nil)
			got = text(f, more)
			if !more.HasErrors() {
				t.Errorf("%s: no error, %v", name, out)
			}
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s: the secret is shown:\n%s", name, got)
		}
		for _, d := range ToJSON(diags, f.Files).Diagnostics {
			if strings.Contains(d.Summary+d.Detail, "hunter2") {
				t.Errorf("%s: validate -json shows the secret", name)
			}
		}
	}
}
