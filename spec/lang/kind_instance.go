package lang

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/novaplan/novaplan/spec"
)

var nicTable = body("nic block",
	refField("network", "network", func(n *spec.NIC) *spec.Address { return &n.Network }).must().is("what it is plugged into"),
	textField("fixed_ip", func(n *spec.NIC) *string { return &n.FixedIP }).or("assigned from the network's allocation_pool").is("its address").
		checked(func(a *arg, n *spec.NIC) {
			if _, err := netip.ParseAddr(n.FixedIP); err != nil {
				a.invalid("%q isn't an address.", n.FixedIP)
			}
		}),
	textField("mac", func(n *spec.NIC) *string { return &n.MAC }).or("derived from the address and the NIC's name").is("its hardware address").
		checked(checkMAC),
	textField("model", func(n *spec.NIC) *string { return &n.Model }).or(`"virtio"`).is("the emulated device").
		checked(func(a *arg, n *spec.NIC) {
			if !isWord(n.Model) {
				a.invalid("%q isn't the name of a device model, such as \"virtio\" or \"e1000e\".", n.Model)
			}
		}),
)

func checkMAC(a *arg, n *spec.NIC) {
	mac, err := net.ParseMAC(n.MAC)
	switch {
	case err != nil || len(mac) != 6:
		a.invalid("%q isn't a MAC address such as \"52:54:00:12:34:56\".", n.MAC)
	case mac[0]&1 == 1:
		a.invalid("%q is a multicast address: the first byte of a NIC's address is even.", n.MAC)
	default:
		n.MAC = mac.String()
	}
}

func isWord(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}) < 0
}

var lifecycleTable = body("lifecycle block",
	boolField("prevent_destroy", func(l *spec.Lifecycle) *bool { return &l.PreventDestroy }).or("false").is("a plan that would destroy it is an error"),
	addressOnly(newField("ignore_changes", "list of attribute names", setIgnoreChanges)).is("changes of these attributes are left alone; all for every one"),
)

func addressOnly[T any](f field[T]) field[T] {
	f.address = true
	return f
}

// ignorable lists the attributes of an instance that ignore_changes may name. It is a list of its
// own because the table of the instance contains the table that asks.
var ignorable = []string{"all", "flavor", "image", "pool", "zone", "host", "group", "keypair", "state", "user_data",
	"metadata", "nic", "name", "locked", "same_host", "different_host", "shutdown_timeout", "trash_retention"}

func setIgnoreChanges(a *arg, l *spec.Lifecycle) {
	words, ok := wordsOf(a)
	if !ok {
		return
	}
	for _, w := range words {
		if !slices.Contains(ignorable, w) {
			a.invalid("ignore_changes names attributes of the instance: %s. There is no %q.%s", oneOf(ignorable), w, didYouMean(w, ignorable))
			return
		}
	}
	l.IgnoreChanges = words
}

var laterStates = map[string]string{
	"shelved": "shelving is not there yet", "rescued": "rescuing is not there yet",
}

var instanceTable = (&table[spec.Instance]{
	kindName: "instance",
	doc:      "One wanted virtual machine, or many of a kind.",
	fields: []field[spec.Instance]{
		textField("name", func(i *spec.Instance) *string { return &i.Name }).or("the label, with the key").is("the guest's host name").
			checked(func(a *arg, i *spec.Instance) { a.checkGuestName(i.Name) }),
		refField("flavor", "flavor", func(i *spec.Instance) *spec.Address { return &i.Flavor }).must().is("its size"),
		refField("image", "image", func(i *spec.Instance) *spec.Address { return &i.Image }).must().is("what it boots"),
		refField("pool", "pool", func(i *spec.Instance) *spec.Address { return &i.Pool }).or("the only pool; libvirt's directory when there is none").is("where its disks are"),
		refField("zone", "zone", func(i *spec.Instance) *spec.Address { return &i.Zone }).or("any").is("the availability zone"),
		refField("host", "host", func(i *spec.Instance) *spec.Address { return &i.Host }).or("the scheduler's choice").is("pins it to one host"),
		refField("group", "server_group", func(i *spec.Instance) *spec.Address { return &i.Group }).is("the server group"),
		refField("keypair", "keypair", func(i *spec.Instance) *spec.Address { return &i.Keypair }).is("who may log in"),
		enumField("state", []spec.Power{spec.Running, spec.Stopped, spec.Paused, spec.Suspended}, laterStates, func(i *spec.Instance) *spec.Power { return &i.State }).
			or(`"running"`).is("what it shall be doing"),
		secretField("user_data", func(i *spec.Instance) *spec.Secret { return &i.UserData }).is("cloud-init's user data"),
		textsField("metadata", func(i *spec.Instance) *map[string]string { return &i.Metadata }).is("shown to the guest"),
		addressesField("same_host", func(i *spec.Instance) *[]spec.Address { return &i.SameHost }).is("placed on the host of one of these"),
		addressesField("different_host", func(i *spec.Instance) *[]spec.Address { return &i.DifferentHost }).is("never on the host of any of these"),
		addressesField("depends_on", func(i *spec.Instance) *[]spec.Address { return &i.DependsOn }).is("created after these"),
		newField("locked", "bool, or the reason as a string", setLocked).or("false").is("changes are refused, recovery excepted"),
		durationField("shutdown_timeout", func(i *spec.Instance) *time.Duration { return &i.ShutdownTimeout }).or(`"60s"`).is("how long it may take to shut down before it is stopped hard"),
		durationField("trash_retention", func(i *spec.Instance) *time.Duration { return &i.TrashRetention }).or(`"24h"`).is("how long its disks are kept after it was terminated"),
	},
	nested: []nested[spec.Instance]{
		nest(blockInfo{name: "nic", labelled: true, doc: "a network interface; the label names it, default nic0, nic1, ..."}, nicTable, nil,
			func(i *spec.Instance) { i.NICs = nil }, addNIC),
		nest(blockInfo{name: "update", max: 1, doc: "how many of this block may be interrupted at once"}, updateTable, newUpdate,
			func(i *spec.Instance) { i.Update = nil }, func(a *arg, i *spec.Instance, _ string, u spec.Update) { i.Update = &u }),
		nest(blockInfo{name: "lifecycle", max: 1, doc: "Terraform's meta-arguments"}, lifecycleTable, nil,
			func(i *spec.Instance) { i.Lifecycle = spec.Lifecycle{} }, func(a *arg, i *spec.Instance, _ string, l spec.Lifecycle) { i.Lifecycle = l }),
	},
	later: map[string]string{
		"attach": "attaching volumes", "security_groups": "security groups", "confirm": "confirming a resize",
		"config_drive": "choosing the config drive's format", "backup": "backups",
	},
	start: func(b *block) spec.Instance {
		return spec.Instance{Source: b.source(), State: spec.Running,
			ShutdownTimeout: spec.DefaultShutdownTimeout, TrashRetention: spec.DefaultTrashRetention}
	},
	identify: func(i *spec.Instance, a spec.Address, name string) {
		i.Address = a
		if i.Name == "" {
			i.Name = slug(name)
		}
	},
	finish: (*checker).instance,
	typ:    cty.NilType,
}).built("instance")

// addNIC appends a NIC. The append never writes into an array that another element shares, because
// fillNested cleared the slice first.
func addNIC(a *arg, i *spec.Instance, label string, n spec.NIC) {
	n.Name = label
	if label == "" {
		n.Name = "nic" + strconv.Itoa(len(i.NICs))
	} else if !isWord(label) {
		a.invalid("%q can't name a NIC: letters, digits, - and _ can.", label)
	}
	for _, other := range i.NICs {
		if other.Name == n.Name {
			a.ev.errorOnce(a.rng, "Duplicate nic", "There are two nic blocks called \""+n.Name+"\".")
			a.failed = true
		}
	}
	i.NICs = append(i.NICs, n)
}

func setLocked(a *arg, i *spec.Instance) {
	v, ok := a.plain()
	if !ok || a.null {
		return
	}
	switch {
	case v.Type() == cty.Bool && v.True():
		i.Locked = "locked = true"
	case v.Type() == cty.Bool:
		i.Locked = ""
	case v.Type() == cty.String && strings.TrimSpace(v.AsString()) != "":
		i.Locked = v.AsString()
	default:
		a.invalid("locked is true, false or the reason, this is %s.", friendly(v))
	}
}

// maxGuestName is Linux's HOST_NAME_MAX.
const maxGuestName = 64

func (a *arg) checkGuestName(s string) {
	switch {
	case s != strings.Trim(s, "-."):
		a.invalid("The guest's host name doesn't begin or end with - or ., this is %q.", s)
	case s == "" || slug(s) != s:
		a.invalid("The guest's host name has letters, digits, - and ., this is %q.", s)
	case len(s) > maxGuestName:
		a.invalid("The guest's host name has at most %d characters, as Linux has it, this has %d.", maxGuestName, len(s))
	}
}
