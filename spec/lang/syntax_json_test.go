package lang

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sameHCL = `
variable "n" {
  type    = number
  default = 2
}
locals { net = network.lan }
zone "az1" {}
flavor "m1.small" {
  vcpus = 1
  ram   = "2GiB"
}
image "debian" { source = "/srv/debian.qcow2" }
network "lan" {
  bridge = "br0"
  cidr   = "10.0.0.0/24"
}
instance "web" {
  count          = var.n
  flavor         = flavor["m1.small"]
  image          = image.debian
  zone           = zone.az1
  different_host = [instance.db]
  nic {
    network  = local.net
    fixed_ip = cidrhost(local.net.cidr, 10 + count.index)
  }
  lifecycle { ignore_changes = [metadata] }
}
instance "db" {
  flavor = flavor["m1.small"]
  image  = image.debian
  dynamic "nic" {
    for_each = [1]
    content { network = network.lan }
  }
}
scheduler {
  weigher "ram" { multiplier = 2 }
}
moved {
  from = instance.old
  to   = instance.db
}
`

const sameJSON = `{
  "variable": {"n": {"type": "number", "default": 2}},
  "locals": {"net": "${network.lan}"},
  "zone": {"az1": {}},
  "flavor": {"m1.small": {"vcpus": 1, "ram": "2GiB"}},
  "image": {"debian": {"source": "/srv/debian.qcow2"}},
  "network": {"lan": {"bridge": "br0", "cidr": "10.0.0.0/24"}},
  "instance": {
    "web": {
      "count": "${var.n}",
      "flavor": "${flavor[\"m1.small\"]}",
      "image": "${image.debian}",
      "zone": "${zone.az1}",
      "different_host": ["instance.db"],
      "nic": [{"network": "${local.net}", "fixed_ip": "${cidrhost(local.net.cidr, 10 + count.index)}"}],
      "lifecycle": {"ignore_changes": ["metadata"]}
    },
    "db": {
      "flavor": "${flavor[\"m1.small\"]}",
      "image": "${image.debian}",
      "dynamic": {"nic": {"for_each": [1], "content": {"network": "${network.lan}"}}}
    }
  },
  "scheduler": {"weigher": {"ram": {"multiplier": 2}}},
  "moved": {"from": "instance.old", "to": "instance.db"}
}`

func TestJSONSyntaxSaysTheSame(t *testing.T) {
	native := mustLoad(t, map[string]string{"a.np.hcl": sameHCL}, Options{})
	json := mustLoad(t, map[string]string{"a.np.json": sameJSON}, Options{})
	ignoreLines := cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".Source"
	}, cmp.Ignore())
	secrets := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".UserData" }, cmp.Ignore())
	if diff := cmp.Diff(native.Spec, json.Spec, ignoreLines, secrets); diff != "" {
		t.Errorf("(-native +json):\n%s", diff)
	}
}

func TestJSONSyntaxMistakes(t *testing.T) {
	f, diags := load(t, map[string]string{"a.np.json": `{
  "zone": {"a": {"nmae": "x"}},
  "module": {"m": {"source": "x"}},
  "instance": {"web": {"flavor": "small", "image": "${image.none}", "attach": {}}}
}`}, Options{})
	golden(t, "testdata/bad/json.golden", text(f, diags))
}
