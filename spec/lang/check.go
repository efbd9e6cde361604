package lang

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/novaplan/novaplan/spec"
)

// checker checks relations between the attributes of one element of a block.
type checker struct {
	ev      *evaluator
	block   *block
	element int
}

// at returns the range of an attribute, or of the block when it isn't written.
func (c *checker) at(field string) hcl.Range {
	if item := c.block.content.attr(c.block.kind.schema(), field); item != nil {
		return item.expr.Range()
	}
	return c.block.def
}

func (c *checker) fail(field, summary, format string, args ...any) {
	c.ev.errorOnce(c.at(field), summary, fmt.Sprintf(format, args...))
}

// uriParameters are the schemes of hosts' URIs, with the parameters that each understands. A misspelt one would
// otherwise do nothing, and show as a host that doesn't answer.
var uriParameters = map[string][]string{
	"qemu": {"socket"}, "qemu+unix": {"socket"}, "qemu+tcp": nil, "qemu+tls": {"pkipath", "no_verify"}, "qemu+ssh": nil, "sim": nil,
}

var uriSchemes = []string{"qemu", "qemu+unix", "qemu+tcp", "qemu+tls", "qemu+ssh", "sim"}

func (a *arg) checkURI(s string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "":
		a.invalid("%q isn't a URI such as \"qemu+ssh://root@kvm1/system\".", s)
		return
	case !slices.Contains(uriSchemes, u.Scheme):
		a.invalid("%q has an unknown scheme: it is %s.%s", s, oneOf(uriSchemes), didYouMean(u.Scheme, uriSchemes))
		return
	}
	if _, has := u.User.Password(); has {
		a.failed = true
		a.ev.errorf(a.rng, "Invalid value for "+a.name, "A URI can't hold a password. Use keys.")
		return
	}
	remote := u.Scheme == "qemu+ssh" || u.Scheme == "qemu+tcp" || u.Scheme == "qemu+tls"
	switch {
	case u.Scheme == "sim":
		if u.Host == "" {
			a.invalid("A simulated host has a name: \"sim://a1\".")
		}
	case u.Hostname() == "" && remote:
		a.invalid("%q has no host name.", s)
	case u.Host != "" && u.Scheme == "qemu+unix":
		a.invalid("%q names the host %s, and a unix socket has none. Write qemu+ssh://, or a third slash: qemu+unix:///system.", s, u.Host)
	case u.Path != "/system" && u.Path != "/session":
		a.invalid("%q has the path %q: libvirt's are /system and /session.", s, u.Path)
	case strings.HasPrefix(u.Host, "-") || strings.HasPrefix(u.User.Username(), "-"):
		a.invalid("%q has a host or user that begins with a dash.", s)
	default:
		a.checkURIParts(s, u)
	}
}

// checkURIParts checks the port and the parameters.
func (a *arg) checkURIParts(s string, u *url.URL) {
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			a.invalid("%q has the port %s: it is from 1 to 65535.", s, p)
			return
		}
	}
	scheme := u.Scheme
	if scheme == "qemu" && u.Host != "" {
		scheme = "qemu+tls" // as libvirt has it
	}
	known := uriParameters[scheme]
	for _, name := range sortedKeys(u.Query()) {
		switch {
		case slices.Contains(known, name):
		case scheme == "qemu+ssh":
			a.invalid("%q has the parameter %q: qemu+ssh has none. Keys, ports and jump hosts are written in ~/.ssh/config.", s, name)
			return
		case len(known) == 0:
			a.invalid("%q has the parameter %q: %s has none.", s, name, scheme)
			return
		default:
			a.invalid("%q has the parameter %q: %s has %s.%s", s, name, scheme, allOf(known), didYouMean(name, known))
			return
		}
	}
}

func (c *checker) network(n *spec.Network) {
	var ways []string
	for name, v := range map[string]string{"bridge": n.Bridge, "physical_network": n.PhysicalNetwork, "libvirt_network": n.LibvirtNetwork} {
		if v != "" {
			ways = append(ways, name)
		}
	}
	if slices.Sort(ways); len(ways) != 1 {
		c.ev.errorOnce(c.block.def, "Invalid network", fmt.Sprintf("A network has exactly one of bridge, physical_network and libvirt_network; %s has %s.", n.Address, both(ways)))
	}
	if n.CIDR == "" {
		if n.Gateway != "" {
			c.fail("gateway", "Invalid value for gateway", "A gateway needs a cidr that it is in.")
		}
		if n.PoolFirst != "" {
			c.fail("allocation_pool", "Invalid value for allocation_pool", "An allocation_pool needs a cidr that it is in.")
		}
		return
	}
	cidr := netip.MustParsePrefix(n.CIDR)
	if n.Gateway != "" {
		if g, err := netip.ParseAddr(n.Gateway); err != nil || !cidr.Contains(g) {
			c.fail("gateway", "Invalid value for gateway", "%q isn't an address in %s.", n.Gateway, n.CIDR)
		}
	}
	if n.PoolFirst != "" {
		c.allocationPool(n, cidr)
	}
}

func both(words []string) string {
	if len(words) == 0 {
		return "none of them"
	}
	return strings.Join(words, " and ")
}

func (c *checker) allocationPool(n *spec.Network, cidr netip.Prefix) {
	first, last := netip.MustParseAddr(n.PoolFirst), netip.MustParseAddr(n.PoolLast)
	for _, a := range []netip.Addr{first, last} {
		if !cidr.Contains(a) {
			c.fail("allocation_pool", "Invalid value for allocation_pool", "%s isn't in %s.", a, n.CIDR)
			return
		}
	}
	if last.Less(first) {
		c.fail("allocation_pool", "Invalid value for allocation_pool", "The first address comes first: %s is behind %s.", first, last)
	}
}

func (c *checker) group(g *spec.ServerGroup) {
	if g.MaxServerPerHost > 0 && g.Policy != "" && g.Policy != spec.AntiAffinity {
		c.fail("max_server_per_host", "Invalid value for max_server_per_host", "max_server_per_host goes with policy = \"anti-affinity\", this is %q.", g.Policy)
	}
	if g.SplitWhileMoving && g.Policy != "" && g.Policy != spec.Affinity {
		c.fail("split_while_moving", "Invalid value for split_while_moving", "split_while_moving goes with policy = \"affinity\", this is %q.", g.Policy)
	}
}

// instance checks what one instance says about blocks that it refers to.
func (c *checker) instance(i *spec.Instance) {
	for n := range i.NICs {
		if ip := i.NICs[n].FixedIP; ip != "" {
			c.fixedIP(i, &i.NICs[n], ip)
		}
	}
}

func (c *checker) fixedIP(i *spec.Instance, nic *spec.NIC, ip string) {
	addr, err := netip.ParseAddr(ip)
	network := lookup[spec.Network](c.ev, nic.Network)
	if err != nil || network == nil {
		return
	}
	rng := c.nicRange(i, nic)
	switch {
	case network.CIDR == "":
		c.ev.errorOnce(rng, "Invalid value for fixed_ip", fmt.Sprintf("%s has no cidr, so that %s can't have the address %s in it.", network.Address, i.Address, ip))
	case !netip.MustParsePrefix(network.CIDR).Contains(addr):
		c.ev.errorOnce(rng, "Invalid value for fixed_ip", fmt.Sprintf("%s of %s isn't in %s of %s.", ip, i.Address, network.CIDR, network.Address))
	case ip == network.Gateway:
		c.ev.errorOnce(rng, "Invalid value for fixed_ip", fmt.Sprintf("%s of %s is the gateway of %s.", ip, i.Address, network.Address))
	}
}

// nicRange returns where the NIC's fixed_ip is written.
func (c *checker) nicRange(i *spec.Instance, nic *spec.NIC) hcl.Range {
	s := c.block.kind.schema()
	n := 0
	for _, it := range c.block.content.blocks {
		info := s.blocks[it.nested]
		if info.name != "nic" {
			continue
		}
		if item := it.content.attr(info.schema, "fixed_ip"); item != nil && (it.dynamic != nil || &i.NICs[n] == nic) {
			return item.expr.Range()
		}
		if n++; n >= len(i.NICs) {
			break
		}
	}
	return c.block.def
}

// lookup finds the evaluated element with an address.
func lookup[T any](ev *evaluator, addr spec.Address) *T {
	if addr == "" {
		return nil
	}
	k := ev.kinds[addr.Kind()]
	if b := k.byLabel[addr.Label()]; b != nil && !b.failed {
		list, _ := b.out.([]T)
		if b.repeat == once && len(list) == 1 {
			return &list[0]
		}
		for i := range list {
			if b.elementAddress(i) == addr {
				return &list[i]
			}
		}
	}
	return nil
}

// Operators of extra specs, and what their operand must be.
var numericOperators = []string{"=", "==", "!=", ">=", "<="}
var textOperators = []string{"s==", "s!=", "s<", "s<=", "s>", "s>=", "<in>", "<all-in>"}

func (a *arg) checkExtraSpecs(specs map[string]string) {
	var wrong []string
	for _, key := range sortedKeys(specs) {
		scope, _, scoped := strings.Cut(key, ":")
		if scoped && scope != "capabilities" && scope != "aggregate_instance_extra_specs" {
			continue // another scope is nobody's requirement on a host
		}
		if err := checkRequirement(specs[key]); err != nil {
			wrong = append(wrong, fmt.Sprintf("extra_specs %q = %q: %s.", key, specs[key], err))
		}
	}
	if len(wrong) > 0 {
		a.invalid("%s", strings.Join(wrong, "\n"))
	}
}

// checkRequirement checks the syntax of a requirement: an operator as first word, then its operands.
func checkRequirement(s string) error {
	words := strings.Fields(s)
	if len(words) == 0 {
		return nil
	}
	op, operands := words[0], words[1:]
	switch {
	case op == "<or>":
		return checkAlternatives(words)
	case slices.Contains(numericOperators, op):
		if len(operands) != 1 || !isNumber(operands[0]) {
			return fmt.Errorf("%s is followed by one number", op)
		}
	case slices.Contains(textOperators, op):
		if len(operands) == 0 {
			return fmt.Errorf("%s is followed by what to compare with", op)
		}
	case strings.Trim(strings.TrimPrefix(op, "s"), "<>=!") == "" && op != "s":
		all := append(append([]string{}, numericOperators...), append(textOperators, "<or>")...)
		return fmt.Errorf("there is no operator %s; the operators are %s", op, oneOf(all))
	}
	return nil
}

func checkAlternatives(words []string) error {
	for i, w := range words {
		if (i%2 == 0) != (w == "<or>") || i == len(words)-1 && w == "<or>" {
			return fmt.Errorf("alternatives are written <or> a <or> b")
		}
	}
	return nil
}

func isNumber(s string) bool {
	f, err := strconv.ParseFloat(s, 64)
	return err == nil && f == f
}
