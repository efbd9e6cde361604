package lang

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/novaplan/novaplan/spec"
)

// What references evaluate to: per kind one object type, whose attribute address makes it a
// reference. Attributes that name other blocks are addresses as strings, so that the objects stay
// flat and cheap.

var zoneType = cty.Object(map[string]cty.Type{"address": cty.String, "name": cty.String})

var hostType = cty.Object(map[string]cty.Type{
	"address": cty.String, "name": cty.String, "uri": cty.String, "zone": zoneRefType, "mode": cty.String,
	"labels": cty.Map(cty.String), "bridge_mappings": cty.Map(cty.String), "virt_type": cty.String,
})

// zoneRefType is a zone, so that zone = host.kvm["a1"].zone works.
var zoneRefType = zoneType

var aggregateType = cty.Object(map[string]cty.Type{
	"address": cty.String, "name": cty.String, "metadata": cty.Map(cty.String), "hosts": cty.List(cty.String),
})

var poolType = cty.Object(map[string]cty.Type{
	"address": cty.String, "name": cty.String, "type": cty.String, "path": cty.String, "shared": cty.Bool,
})

var flavorType = cty.Object(map[string]cty.Type{
	"address": cty.String, "name": cty.String, "vcpus": cty.Number, "ram": cty.Number, "disk": cty.Number,
	"ephemeral": cty.Number, "swap": cty.Number, "extra_specs": cty.Map(cty.String),
})

var imageType = cty.Object(map[string]cty.Type{
	"address": cty.String, "name": cty.String, "source": cty.String, "checksum": cty.String, "format": cty.String,
	"min_disk": cty.Number, "min_ram": cty.Number, "properties": cty.Map(cty.String),
})

var networkType = cty.Object(map[string]cty.Type{
	"address": cty.String, "name": cty.String, "bridge": cty.String, "physical_network": cty.String,
	"libvirt_network": cty.String, "cidr": cty.String, "gateway": cty.String,
	"allocation_pool": cty.List(cty.String), "dns": cty.List(cty.String), "mtu": cty.Number,
})

var groupType = cty.Object(map[string]cty.Type{
	"address": cty.String, "name": cty.String, "policy": cty.String, "max_server_per_host": cty.Number, "split_while_moving": cty.Bool,
})

var keypairType = cty.Object(map[string]cty.Type{
	"address": cty.String, "name": cty.String, "public_key": cty.String,
})

// referenceType names the kind of block that v refers to.
func referenceType(v cty.Value) (string, bool) {
	t := v.Type()
	if !t.IsObjectType() || !t.HasAttribute("address") {
		return "", false
	}
	for name, typ := range map[string]cty.Type{
		"zone": zoneType, "host": hostType, "aggregate": aggregateType, "pool": poolType, "flavor": flavorType,
		"image": imageType, "network": networkType, "server_group": groupType, "keypair": keypairType,
	} {
		if t.Equals(typ) {
			if !v.IsNull() && v.IsKnown() {
				a, _ := v.GetAttr("address").Unmark()
				return name + " " + a.AsString(), true
			}
			return name, true
		}
	}
	return "", false
}

func str[S ~string](s S) cty.Value { return cty.StringVal(string(s)) }

// optional is s, or null when it is empty.
func optional[S ~string](s S) cty.Value {
	if s == "" {
		return cty.NullVal(cty.String)
	}
	return str(s)
}

func number[N ~int | ~int64](n N) cty.Value { return cty.NumberIntVal(int64(n)) }

// gib is m in GiB, Nova's unit of disks.
func gib(m spec.MiB) cty.Value {
	if m%1024 == 0 {
		return number(m / 1024)
	}
	return cty.NumberFloatVal(float64(m) / 1024)
}

func stringList[S ~string](list []S) cty.Value {
	if len(list) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	vals := make([]cty.Value, len(list))
	for i, s := range list {
		vals[i] = str(s)
	}
	return cty.ListVal(vals)
}

func hostValue(ev *evaluator, h *spec.Host) cty.Value {
	zone := cty.NullVal(zoneType)
	if h.Zone != "" {
		name := h.Zone.Label()
		if z := lookup[spec.Zone](ev, h.Zone); z != nil {
			name = z.Name
		}
		zone = cty.ObjectVal(map[string]cty.Value{"address": str(h.Zone), "name": str(name)})
	}
	return cty.ObjectVal(map[string]cty.Value{
		"address": str(h.Address), "name": str(h.Name), "uri": str(h.URI), "zone": zone, "mode": str(h.Mode),
		"labels": stringMap(h.Labels), "bridge_mappings": stringMap(h.BridgeMappings), "virt_type": optional(h.VirtType),
	})
}

func aggregateValue(_ *evaluator, g *spec.Aggregate) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"address": str(g.Address), "name": str(g.Name), "metadata": stringMap(g.Metadata), "hosts": stringList(g.Hosts),
	})
}

func poolValue(_ *evaluator, p *spec.Pool) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"address": str(p.Address), "name": str(p.Name), "type": str(p.Type), "path": str(p.Path), "shared": cty.BoolVal(p.Shared),
	})
}

func flavorValue(_ *evaluator, f *spec.Flavor) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"address": str(f.Address), "name": str(f.Name), "vcpus": number(f.VCPUs), "ram": number(f.RAM), "disk": gib(f.Disk),
		"ephemeral": gib(f.Ephemeral), "swap": number(f.Swap), "extra_specs": stringMap(f.ExtraSpecs),
	})
}

func imageValue(_ *evaluator, i *spec.Image) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"address": str(i.Address), "name": str(i.Name), "source": str(i.Location), "checksum": optional(i.Checksum),
		"format": str(i.Format), "min_disk": gib(i.MinDisk), "min_ram": number(i.MinRAM), "properties": stringMap(i.Properties),
	})
}

func networkValue(_ *evaluator, n *spec.Network) cty.Value {
	var pool []string
	if n.PoolFirst != "" {
		pool = []string{n.PoolFirst, n.PoolLast}
	}
	return cty.ObjectVal(map[string]cty.Value{
		"address": str(n.Address), "name": str(n.Name), "bridge": optional(n.Bridge), "physical_network": optional(n.PhysicalNetwork),
		"libvirt_network": optional(n.LibvirtNetwork), "cidr": optional(n.CIDR), "gateway": optional(n.Gateway),
		"allocation_pool": stringList(pool), "dns": stringList(n.DNS), "mtu": number(n.MTU),
	})
}

func groupValue(_ *evaluator, g *spec.ServerGroup) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"address": str(g.Address), "name": str(g.Name), "policy": str(g.Policy), "max_server_per_host": number(g.MaxServerPerHost),
		"split_while_moving": cty.BoolVal(g.SplitWhileMoving),
	})
}

func keypairValue(_ *evaluator, k *spec.Keypair) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"address": str(k.Address), "name": str(k.Name), "public_key": str(k.PublicKey),
	})
}
