package lang

import (
	"fmt"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/spec"
)

const twoOfThem = `
flavor "s" {
  vcpus = 1
  ram   = 512
}
image "i" { source = "/srv/i.qcow2" }
network "lan" {
  bridge = "br0"
  cidr   = "10.0.0.0/24"
}
instance "web" {
  count  = 2
  flavor = flavor.s
  image  = image.i
  nic { network = network.lan }
}
`

// TestOutputsOfWhatIsNotDecidedYet: what is right after apply is no mistake before it.
func TestOutputsOfWhatIsNotDecidedYet(t *testing.T) {
	const outputs = `
output "all" { value = alltrue([for i in instance.web : i.state == "running"]) }
output "any" { value = anytrue([for i in instance.web : i.host.name == "a"]) }
output "sum" { value = sum([for i in instance.web : length(i.host.name)]) }
output "index" { value = index([for i in instance.web : i.nic[0].fixed_ip], "10.0.0.2") }
output "match" { value = matchkeys([for i in instance.web : i.name], [for i in instance.web : i.state], ["running"])[0] }
output "by_host" { value = { for i in instance.web : i.host.name => i.name... } }
output "transposed" { value = transpose({ for i in instance.web : i.name => [i.state] }) }
output "template" { value = templatefile("t.tftpl", { ips = instance.web[*].nic[0].fixed_ip }) }
output "one" { value = one([for i in instance.web : i.name if i.name == "web-1"]) }
output "json" { value = jsonencode(instance.web[0]) }
output "if" { value = instance.web[0].host.labels.rack == "r1" ? "yes" : "no" }
output "key" { value = { a = 1 }[instance.web[0].host.name] }
`
	f := mustLoad(t, map[string]string{"a.np.hcl": twoOfThem + outputs + `host "a" {
  uri    = "sim://a"
  labels = { rack = "r1" }
}`, "t.tftpl": `%{ for ip in ips }${ip} %{ endfor }`}, Options{})
	decided := map[spec.Address]Decided{}
	for i := range 2 {
		decided[spec.Address(fmt.Sprintf("instance.web[%d]", i))] = Decided{Host: "host.a", State: "running", UUID: "u",
			NICs: []DecidedNIC{{FixedIP: fmt.Sprintf("10.0.0.%d", i+1), MAC: "m"}}}
	}
	got, diags := f.Outputs(decided)
	if diags.HasErrors() {
		t.Fatal(text(f, diags))
	}
	want := map[string]string{"all": "true", "any": "true", "sum": "2", "index": "1", "match": `"web-0"`, "key": "1",
		"by_host": `{"a":["web-0","web-1"]}`, "template": `"10.0.0.1 10.0.0.2 "`, "one": `"web-1"`, "if": `"yes"`,
		"transposed": `{"running":["web-0","web-1"]}`}
	if len(got) != len(want)+1 {
		t.Errorf("%d outputs of %d", len(got), len(want)+1)
	}
	for _, o := range got {
		if w := want[o.Name]; w != "" && w != string(o.JSON) {
			t.Errorf("output %s is %s, want %s", o.Name, o.JSON, w)
		}
	}
}

// TestOutputsOfManyInstances are checked as far as that costs nothing.
func TestOutputsOfManyInstances(t *testing.T) {
	many := strings.Replace(twoOfThem, "count  = 2", fmt.Sprintf("count  = %d", checkedElements+1), 1)
	f := mustLoad(t, map[string]string{"a.np.hcl": many + `
output "last" { value = instance.web[1000].name }
output "names" { value = length([for i in instance.web : i.name]) }
`}, Options{})
	got, diags := f.Outputs(nil)
	if diags.HasErrors() || len(got) != 2 || string(got[1].JSON) != "1001" {
		t.Error(text(f, diags), got)
	}
	f, diags = load(t, map[string]string{"a.np.hcl": many + `
output "beyond" { value = instance.web[1001].name }
output "typo" { value = instance.web[0].nmae }
`}, Options{})
	for _, want := range []string{"there is no [1001]", `named "nmae". Did you mean name?`} {
		if got := text(f, diags); !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// TestFunctionsOfWhatFailed: a mistake in a block isn't followed by others in what uses it.
func TestFunctionsOfWhatFailed(t *testing.T) {
	f, diags := load(t, map[string]string{"a.np.hcl": `
host "kvm" {
  for_each = { a = "sim://a", b = "nonsense" }
  uri      = each.value
}
locals {
  all   = alltrue([for h in host.kvm : h.name == "a"])
  sum   = sum([for h in host.kvm : length(h.name)])
  index = index([for h in host.kvm : h.name], "b")
  turn  = transpose({ for k, h in host.kvm : k => [h.name] })
  keys  = matchkeys(["x", "y"], [for h in host.kvm : h.name], ["a"])
}
`}, Options{})
	if got := text(f, diags); len(diags) != 1 || !strings.Contains(got, `"nonsense" isn't a URI`) {
		t.Error(got)
	}
}
