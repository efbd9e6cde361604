package lang_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/spec"
	"github.com/novaplan/novaplan/spec/lang"
)

const savedSpec = `
variable "secret" {
  sensitive = true
  default   = "hunter2"
}
variable "domain" { default = "example.org" }
variable "unused" { default = "not asked for" }
locals { suffix = ".${var.domain}" }
zone "z" { name = "Zone Z" }
host "kvm" {
  for_each = toset(["a", "b"])
  uri      = "sim://${each.key}"
  zone     = zone.z
}
flavor "s" {
  vcpus = 1
  ram   = 512
}
image "i" { source = "i.qcow2" }
instance "web" {
  count  = 2
  flavor = flavor.s
  image  = image.i
}
instance "db" {
  for_each = { primary = 1, standby = 2 }
  flavor   = flavor.s
  image    = image.i
}
output "names" { value = [for i in instance.web : "${i.name}${local.suffix}"] }
output "zones" { value = { for k, i in instance.db : k => i.host.zone.name } }
output "text" {
  value = <<-EOT
    ${upper(host.kvm["a"].name)}
    ${instance.web[1].host.name}
  EOT
}
output "hidden" {
  value     = var.secret
  sensitive = true
}
output "unhidden" { value = nonsensitive(var.secret) }
`

// TestSavedOutputs: what a saved plan carries gives the same outputs as the folder, without it and without secrets.
func TestSavedOutputs(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.np.hcl": savedSpec, "b.np.json": `{"output": {"json": {"value": "${var.domain} ${instance.web[0].state}"}}}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, diags := lang.Load(t.Context(), dir, lang.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	data, err := json.Marshal(f.SaveOutputs())
	if err != nil {
		t.Fatal(err)
	}
	for _, never := range []string{"hunter2", "not asked for"} {
		if strings.Contains(string(data), never) {
			t.Errorf("%q is in what is saved: %s", never, data)
		}
	}
	var saved lang.SavedOutputs
	if err := json.Unmarshal(data, &saved); err != nil {
		t.Fatal(err)
	}
	restored, err := lang.RestoreOutputs(t.Context(), t.TempDir(), f.Spec, saved)
	if err != nil {
		t.Fatal(err)
	}
	decided := map[spec.Address]lang.Decided{}
	for i := range f.Spec.Instances {
		decided[f.Spec.Instances[i].Address] = lang.Decided{Host: f.Spec.Hosts[i%2].Address, State: "running"}
	}
	want, diags := f.Outputs(decided)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	got, diags := restored.Outputs(decided)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if diff := cmp.Diff(shownOutputs(want, "unhidden"), shownOutputs(got)); diff != "" {
		t.Errorf("(-of the folder +restored):\n%s", diff)
	}
}

// shownOutputs is what people see of outputs; those named are taken for sensitive.
func shownOutputs(values []lang.OutputValue, hidden ...string) map[string]string {
	out := map[string]string{}
	for _, v := range values {
		out[v.Name] = string(v.JSON)
		if v.Sensitive || len(hidden) > 0 && hidden[0] == v.Name {
			out[v.Name] = "(sensitive)"
		}
	}
	return out
}
