package lang

import (
	"encoding/hex"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/novaplan/novaplan/spec"
)

// The blocks that instances are made of: flavors, images, networks, groups, keypairs.

var flavorTable = (&table[spec.Flavor]{
	kindName: "flavor",
	doc:      "A size of instance.",
	fields: []field[spec.Flavor]{
		nameField(func(f *spec.Flavor) *string { return &f.Name }),
		intField("vcpus", 1, 4096, func(f *spec.Flavor) *int { return &f.VCPUs }).must().is("virtual CPUs"),
		sizeField("ram", 1, 1, func(f *spec.Flavor) *spec.MiB { return &f.RAM }).must().is("memory"),
		sizeField("disk", 1024, 0, func(f *spec.Flavor) *spec.MiB { return &f.Disk }).or("0, as large as the image").is("root disk"),
		sizeField("ephemeral", 1024, 0, func(f *spec.Flavor) *spec.MiB { return &f.Ephemeral }).or("0").is("second, empty disk"),
		sizeField("swap", 1, 0, func(f *spec.Flavor) *spec.MiB { return &f.Swap }).or("0").is("swap disk"),
		textsField("extra_specs", func(f *spec.Flavor) *map[string]string { return &f.ExtraSpecs }).is("what the host must have, in Nova's words and operators").
			checked(func(a *arg, f *spec.Flavor) { a.checkExtraSpecs(f.ExtraSpecs) }),
	},
	start:    func(b *block) spec.Flavor { return spec.Flavor{Source: b.source()} },
	identify: func(f *spec.Flavor, a spec.Address, name string) { f.Address, f.Name = a, orDefault(f.Name, name) },
	typ:      flavorType,
	value:    flavorValue,
}).built("flavor")

var imageTable = (&table[spec.Image]{
	kindName: "image",
	doc:      "A disk image that root disks are overlays of.",
	fields: []field[spec.Image]{
		nameField(func(i *spec.Image) *string { return &i.Name }),
		textField("source", func(i *spec.Image) *string { return &i.Location }).must().is("an http(s) URL, or a file's path, relative to the folder").
			checked(func(a *arg, i *spec.Image) { i.Location = a.imageSource(i.Location) }),
		textField("checksum", func(i *spec.Image) *string { return &i.Checksum }).or("for a local file: by its content").is("\"sha256:<hex>\" or \"sha512:<hex>\"").
			checked(func(a *arg, i *spec.Image) { a.checkChecksum(i.Checksum) }),
		enumField("format", []string{"qcow2", "raw"}, nil, func(i *spec.Image) *string { return &i.Format }).or(`"qcow2"`).is("never guessed from the content"),
		sizeField("min_disk", 1024, 0, func(i *spec.Image) *spec.MiB { return &i.MinDisk }).or("0").is("smallest root disk that it fits on"),
		sizeField("min_ram", 1, 0, func(i *spec.Image) *spec.MiB { return &i.MinRAM }).or("0").is("least memory that it runs with"),
		textsField("properties", func(i *spec.Image) *map[string]string { return &i.Properties }).is("Nova's image properties: hw_architecture, ..."),
	},
	start:    func(b *block) spec.Image { return spec.Image{Source: b.source(), Format: "qcow2"} },
	identify: func(i *spec.Image, a spec.Address, name string) { i.Address, i.Name = a, orDefault(i.Name, name) },
	typ:      imageType,
	value:    imageValue,
}).built("image")

// imageSource checks a source and makes a file's path absolute.
func (a *arg) imageSource(s string) string {
	u, err := url.Parse(s)
	switch {
	case s == "":
		a.invalid("The source of an image can't be empty.")
	case err == nil && (u.Scheme == "http" || u.Scheme == "https"):
		if u.Host == "" {
			a.invalid("%q has no host name.", s)
		}
		return s
	case err == nil && u.Scheme == "file":
		s = u.Path
	case strings.Contains(s, "://"):
		a.invalid("The source of an image is an http or https URL or the path of a file, this is %q.", s)
	}
	if !filepath.IsAbs(s) {
		s = filepath.Join(a.ev.dir, s)
	}
	return filepath.Clean(s)
}

func (a *arg) checkChecksum(s string) {
	algorithm, digits, ok := strings.Cut(s, ":")
	size := map[string]int{"sha256": 32, "sha512": 64}[algorithm]
	if !ok || size == 0 {
		a.invalid("A checksum is \"sha256:<64 hex digits>\" or \"sha512:<128 hex digits>\", this is %q.", s)
		return
	}
	if strings.HasSuffix(digits, "...") {
		a.ev.warnf(a.expr.Range(), "Abbreviated checksum", "%q is a placeholder: no image will match it. Write all %d digits before you apply.", s, 2*size)
		return
	}
	if raw, err := hex.DecodeString(digits); err != nil || len(raw) != size {
		a.invalid("A %s checksum has %d hex digits, this has %d characters.", algorithm, 2*size, len(digits))
	}
}

var networkTable = (&table[spec.Network]{
	kindName: "network",
	doc:      "What a NIC is plugged into. Exactly one of bridge, physical_network and libvirt_network is written.",
	fields: []field[spec.Network]{
		nameField(func(n *spec.Network) *string { return &n.Name }),
		textField("bridge", func(n *spec.Network) *string { return &n.Bridge }).is("a bridge with this name on every host"),
		textField("physical_network", func(n *spec.Network) *string { return &n.PhysicalNetwork }).is("a key of the hosts' bridge_mappings"),
		textField("libvirt_network", func(n *spec.Network) *string { return &n.LibvirtNetwork }).is("a network that libvirt has on every host, such as \"default\""),
		textField("cidr", func(n *spec.Network) *string { return &n.CIDR }).or("no addresses are assigned").is("the subnet").
			checked(func(a *arg, n *spec.Network) { a.checkCIDR(n.CIDR) }),
		textField("gateway", func(n *spec.Network) *string { return &n.Gateway }).is("the router's address in cidr"),
		newField("allocation_pool", "list of two addresses", setAllocationPool).is("first and last address to assign"),
		newField("dns", "list of addresses", setDNS).is("name servers for the guests"),
		intField("mtu", 68, 65535, func(n *spec.Network) *int { return &n.MTU }).or("the bridge's").is("largest packet"),
	},
	start:    func(b *block) spec.Network { return spec.Network{Source: b.source()} },
	identify: func(n *spec.Network, a spec.Address, name string) { n.Address, n.Name = a, orDefault(n.Name, name) },
	finish:   (*checker).network,
	typ:      networkType,
	value:    networkValue,
}).built("network")

func (a *arg) checkCIDR(s string) {
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		a.invalid("%q isn't a subnet: write one such as \"10.20.0.0/16\".", s)
	case p.Masked() != p:
		a.invalid("%q has bits behind its mask: the subnet is %q.", s, p.Masked().String())
	}
}

func setAllocationPool(a *arg, n *spec.Network) {
	list, ok := a.textList()
	if !ok {
		return
	}
	if len(list) != 2 {
		a.invalid("allocation_pool has two addresses, the first and the last, this has %d.", len(list))
		return
	}
	for _, s := range list {
		if _, err := netip.ParseAddr(s); err != nil {
			a.invalid("%q isn't an address.", s)
			return
		}
	}
	n.PoolFirst, n.PoolLast = list[0], list[1]
}

func setDNS(a *arg, n *spec.Network) {
	list, ok := a.textList()
	if !ok {
		return
	}
	for _, s := range list {
		if _, err := netip.ParseAddr(s); err != nil {
			a.invalid("%q isn't an address.", s)
			return
		}
	}
	n.DNS = list
}

var updateTable = body("update block",
	intField("max_parallel", 1, 1<<20, func(u *spec.Update) *int { return &u.MaxParallel }).or("1").is("how many may be interrupted at once"),
	durationField("min_healthy_time", func(u *spec.Update) *time.Duration { return &u.MinHealthyTime }).or("\"0s\"").is("how long one must run before the next is interrupted"),
)

func newUpdate() spec.Update { return spec.Update{MaxParallel: 1} }

var groupTable = (&table[spec.ServerGroup]{
	kindName: "server_group",
	doc:      "Relates instances to each other: together, or apart.",
	fields: []field[spec.ServerGroup]{
		nameField(func(g *spec.ServerGroup) *string { return &g.Name }),
		enumField("policy", []spec.Policy{spec.Affinity, spec.AntiAffinity, spec.SoftAffinity, spec.SoftAntiAffinity}, nil,
			func(g *spec.ServerGroup) *spec.Policy { return &g.Policy }).must().is("affinity: one host; anti-affinity: a host each; soft-: where possible"),
		intField("max_server_per_host", 1, 1<<20, func(g *spec.ServerGroup) *int { return &g.MaxServerPerHost }).or("1").is("with anti-affinity: how many may share a host"),
		boolField("split_while_moving", func(g *spec.ServerGroup) *bool { return &g.SplitWhileMoving }).or("false").is("with affinity: while the group moves as a whole, its members may be on the two hosts"),
	},
	nested: []nested[spec.ServerGroup]{
		nest(blockInfo{name: "update", max: 1, doc: "how many of the group may be interrupted at once"}, updateTable, newUpdate,
			func(g *spec.ServerGroup) { g.Update = nil }, func(a *arg, g *spec.ServerGroup, _ string, u spec.Update) { g.Update = &u }),
	},
	start:    func(b *block) spec.ServerGroup { return spec.ServerGroup{Source: b.source()} },
	identify: func(g *spec.ServerGroup, a spec.Address, name string) { g.Address, g.Name = a, orDefault(g.Name, name) },
	finish:   (*checker).group,
	typ:      groupType,
	value:    groupValue,
}).built("server_group")

var keypairTable = (&table[spec.Keypair]{
	kindName: "keypair",
	doc:      "A public key for the guest's first user.",
	fields: []field[spec.Keypair]{
		nameField(func(k *spec.Keypair) *string { return &k.Name }),
		textField("public_key", func(k *spec.Keypair) *string { return &k.PublicKey }).must().is("a line in OpenSSH's format, often file(\"ops.pub\")").
			checked(func(a *arg, k *spec.Keypair) { k.PublicKey = a.publicKey(k.PublicKey) }),
	},
	start:    func(b *block) spec.Keypair { return spec.Keypair{Source: b.source()} },
	identify: func(k *spec.Keypair, a spec.Address, name string) { k.Address, k.Name = a, orDefault(k.Name, name) },
	typ:      keypairType,
	value:    keypairValue,
}).built("keypair")

// publicKey checks for what is most often pasted by mistake, without knowing every key type.
func (a *arg) publicKey(s string) string {
	s = strings.TrimSpace(s)
	switch {
	case strings.Contains(s, "PRIVATE KEY"):
		a.failed = true
		a.ev.errorf(a.rng, "Invalid value for public_key", "This is a private key. Write the public one, from the file that ends in .pub.")
	case s == "" || strings.ContainsAny(s, "\n\r") || len(strings.Fields(s)) < 2:
		a.invalid("A public key is one line such as \"ssh-ed25519 AAAA... name\".")
	}
	return s
}
