package lang

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

// schema is what a body may contain, without the Go types it is decoded to.
type schema struct {
	where  string // how messages call it: "instance", "nic block"
	fields []fieldInfo
	blocks []blockInfo
	later  map[string]string // attribute or block that comes later -> what it is called
	index  map[string]int    // field by name
	nested map[string]int    // block by name
	json   *hcl.BodySchema
}

// fieldInfo describes one attribute to people.
type fieldInfo struct {
	name, typ, def, doc string
	required            bool
	address             bool // names blocks; never evaluated
}

// blockInfo describes one nested block.
type blockInfo struct {
	name     string
	schema   *schema
	labelled bool // takes a label, which may be left out unless strict
	strict   bool // the label is required
	max      int  // 0: any number
	doc      string
}

// Attributes that repeat a block. They are not fields: they decide how often fields are decoded.
var repeatFields = []fieldInfo{
	{name: "count", typ: "number", doc: "makes that many of this block: `[0]`, `[1]`, ...; `count.index` is the number"},
	{name: "for_each", typ: "map, object or set of strings", doc: "makes one of this block per key; `each.key` and `each.value` are the element"},
}

func newSchema(where string, fields []fieldInfo, blocks []blockInfo, later map[string]string) *schema {
	s := &schema{where: where, fields: fields, blocks: blocks, later: later,
		index: map[string]int{}, nested: map[string]int{}, json: &hcl.BodySchema{}}
	for i, f := range fields {
		s.index[f.name] = i
		s.json.Attributes = append(s.json.Attributes, hcl.AttributeSchema{Name: f.name})
	}
	header := func(name string, labels ...string) {
		s.json.Blocks = append(s.json.Blocks, hcl.BlockHeaderSchema{Type: name, LabelNames: labels})
	}
	for i, b := range blocks {
		s.nested[b.name] = i
		if b.strict {
			header(b.name, "name")
		} else {
			header(b.name)
		}
	}
	for name := range later {
		header(name)
	}
	if len(blocks) > 0 {
		header("dynamic", "type")
	}
	return s
}

// names returns everything that can be written in a body of this schema.
func (s *schema) names() []string {
	var names []string
	for _, f := range s.fields {
		names = append(names, f.name)
	}
	for _, b := range s.blocks {
		names = append(names, b.name)
	}
	return names
}

// suggest is suggestFrom for the names of s.
func (s *schema) suggest(name string) string { return suggestFrom(name, s.names()) }

// suggestFrom is didYouMean, and knows what Nova, Terraform and libvirt call the same thing.
func suggestFrom(name string, names []string) string {
	for _, ours := range elsewhereCalled[name] {
		if slices.Contains(names, ours) {
			return " Did you mean " + ours + "?"
		}
	}
	return didYouMean(name, names)
}

// elsewhereCalled are names of other tools, and ours for them.
var elsewhereCalled = map[string][]string{
	"memory": {"ram"}, "memory_mb": {"ram"}, "mem": {"ram"}, "cpus": {"vcpus"}, "cpu": {"vcpus"}, "vcpu": {"vcpus"},
	"root_gb": {"disk"}, "disk_gb": {"disk"}, "size": {"disk", "capacity"}, "properties": {"extra_specs"},
	"availability_zone": {"zone"}, "az": {"zone"}, "image_name": {"image"}, "image_id": {"image"}, "image_ref": {"image"},
	"flavor_name": {"flavor"}, "flavor_id": {"flavor"}, "flavor_ref": {"flavor"}, "key_name": {"keypair"}, "key_pair": {"keypair"},
	"server_group": {"group"}, "scheduler_hints": {"group", "same_host"}, "power_state": {"state"}, "status": {"state", "mode"},
	"network": {"nic"}, "networks": {"nic"}, "network_interface": {"nic"}, "interface": {"nic"}, "port": {"nic"},
	"ip": {"fixed_ip"}, "ip_address": {"fixed_ip"}, "addresses": {"fixed_ip", "cidr"}, "fixed_ip_v4": {"fixed_ip"}, "mac_address": {"mac"},
	"subnet": {"cidr"}, "gateway_ip": {"gateway"}, "dns_nameservers": {"dns"}, "dns_servers": {"dns"}, "allocation_pools": {"allocation_pool"},
	"policies": {"policy"}, "url": {"source", "uri"}, "file": {"source"}, "image_source_url": {"source"}, "disk_format": {"format"},
	"description": {"metadata", "labels"}, "tags": {"labels", "metadata"}, "cloudinit": {"user_data"}, "hypervisor_hostname": {"host"},
	"pin": {"host"}, "address": {"uri", "fixed_ip"},
}

// didYouMean returns " Did you mean x?" for the candidate nearest to given, or "".
func didYouMean(given string, candidates []string) string {
	best, bestDistance := "", 3
	if len(given) < 4 {
		bestDistance = 2
	}
	for _, c := range candidates {
		if c == given {
			continue
		}
		d := levenshtein.Distance(given, c, nil)
		if d < bestDistance || d == bestDistance && best != "" && sameLetters(given, c) {
			best, bestDistance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return " Did you mean " + best + "?"
}

// sameLetters reports whether two words differ in the order of their letters only, as when typed too fast.
func sameLetters(a, b string) bool {
	x, y := []byte(a), []byte(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// allOf lists words for the end of a sentence: a, b and c.
func allOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// oneOf renders the values of an enumeration: "a, b or c".
func oneOf(values []string) string {
	switch len(values) {
	case 0:
		return "nothing"
	case 1:
		return values[0]
	}
	out := ""
	for i, v := range values {
		switch i {
		case 0:
		case len(values) - 1:
			out += " or "
		default:
			out += ", "
		}
		out += v
	}
	return out
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
