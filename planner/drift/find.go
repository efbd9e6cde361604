package drift

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

// Finding is one difference.
type Finding struct {
	Kind    Kind
	Address spec.Address // of the instance, or of the host when it is about the host
	What    string       // tells apart several of one kind at one address: a path, a bridge
	Host    spec.Address // where it was seen
	Message string
}

// Key is what is the same about a finding whenever it is found.
type Key struct {
	Kind    Kind
	Address spec.Address
	What    string
}

// Key returns the finding's key.
func (f Finding) Key() Key { return Key{f.Kind, f.Address, f.What} }

// Look is what a host is compared with.
type Look struct {
	State state.State
	// Before is the record as it was when the host was looked at: what was worked on since was seen half-way, which
	// says nothing.
	Before state.State
	// Files returns the record as it was when the files of a pool were listed, which may be long before.
	Files func(state.Pool) state.State
	// Shared are the disks and listed pools that hosts share: planner.Observed, of which only those are read.
	Shared *planner.Observed
	// Instance returns the address of a recorded instance by its UUID, for domains that lost their stamp.
	Instance func(uuid string) (spec.Address, bool)
}

// At returns the differences at one host, in an order that depends on nothing else.
func (l Look) At(address spec.Address, seen *planner.HostObservation) []Finding {
	f := &finder{Look: l, host: address, seen: seen}
	if l.State.Desired != nil {
		f.spec = l.State.Desired.Index.Hosts[address]
	}
	if !seen.Reachable {
		f.add(Host, address, "", "it doesn't answer: "+seen.Error)
		return f.found
	}
	if planner.Replaced(l.State, address, seen.Inventory) {
		f.add(Host, address, "", "it answers as another machine")
		return f.found
	}
	if !f.claimed() {
		return f.found
	}
	domains := map[string]*planner.Domain{}
	for i := range seen.Domains {
		domains[seen.Domains[i].UUID] = &seen.Domains[i]
	}
	missing := map[string]int{} // guests, by network
	for _, a := range l.State.Residents(address) {
		if in, ok := l.State.Instances.Get(string(a)); ok && in.Host == address && f.settled(in) {
			f.instance(in, domains[in.UUID])
			f.networks(in, missing)
		}
	}
	f.lostNetworks(missing)
	f.strangers()
	return f.found
}

type finder struct {
	Look
	host  spec.Address
	spec  *spec.Host // nil: it left the spec
	seen  *planner.HostObservation
	found []Finding
	pools map[string]bool // said of
}

func (f *finder) add(kind Kind, address spec.Address, what, message string) {
	f.found = append(f.found, Finding{kind, address, what, f.host, message})
}

// claimed says whether the host is ours; guests of a host that isn't are nobody's business here.
func (f *finder) claimed() bool {
	owner := f.seen.Inventory.Owner
	recorded, ok := f.State.Hosts.Get(string(f.host))
	switch {
	case f.seen.Claimed:
		return true
	case owner != "":
		f.add(Claim, f.host, "", "it is claimed by cluster "+owner)
	case ok && recorded.Claimed && f.Before.Busy(f.host) == nil && f.State.Busy(f.host) == nil:
		f.add(Claim, f.host, "", "our claim is gone from it")
	}
	return false
}

// settled reports whether an instance is in the record as it is to be, and nothing was done to it since the look.
func (f *finder) settled(in *state.Instance) bool {
	if in.Phase != state.Active {
		return false
	}
	return f.untouched(in.Address)
}

func (f *finder) untouched(a spec.Address) bool {
	then, _ := f.Before.Instances.Get(string(a))
	now, _ := f.State.Instances.Get(string(a))
	return then == now && f.Before.Busy(a) == nil && f.State.Busy(a) == nil
}

// instance compares a recorded instance with its domain, nil when there is none.
func (f *finder) instance(in *state.Instance, d *planner.Domain) {
	f.disks(in)
	if d == nil {
		f.add(Missing, in.Address, "", "its domain is gone")
		return
	}
	if d.Migrating || d.Held || d.Power == planner.PowerIncoming {
		return
	}
	if d.Name != in.Domain {
		f.add(Renamed, in.Address, "", fmt.Sprintf("its domain is called %s, not %s", d.Name, in.Domain))
	}
	diffs := planner.Difference(d, in)
	if d.Cluster == "" {
		diffs = append(diffs, "the stamp on its domain is gone")
	}
	if len(diffs) > 0 {
		f.add(Redefined, in.Address, "", strings.Join(diffs, "; "))
	}
	f.power(in, d)
}

// power compares only what is certain to be drift: an instance that the record has as left running or left off.
func (f *finder) power(in *state.Instance, d *planner.Domain) {
	if f.State.Desired == nil {
		return
	}
	want := f.State.Desired.Index.Instances[in.Address]
	if want == nil {
		return
	}
	switch {
	case want.State == spec.Stopped && in.Stopped && d.Power != planner.PowerOff && d.Power != planner.PowerCrashed:
		f.add(Running, in.Address, "", fmt.Sprintf("it is %s and wanted stopped", d.Power))
	case (want.State == spec.Running || want.State == "") && !in.Stopped:
		switch d.Power {
		case planner.PowerOff:
			f.add(Stopped, in.Address, "", "it is off")
		case planner.PowerCrashed:
			f.add(Crashed, in.Address, "", "it crashed")
		case planner.PowerSaved:
			f.add(Saved, in.Address, "", "it is off, its memory saved")
		case planner.PowerPaused:
			f.add(Paused, in.Address, "", "it is paused ("+d.PauseReason+")")
		}
	}
}

// disks says which files are gone, of pools whose files were listed. A pool that is gone is said once.
func (f *finder) disks(in *state.Instance) {
	dir := in.Pool.Dir()
	if !slices.ContainsFunc(f.seen.Inventory.Pools, func(p state.PoolInventory) bool { return p.Path == dir }) {
		f.pool(dir)
		return
	}
	written, listed := f.seen.Written, f.seen.Listed
	if in.Pool.Shared {
		written, listed = f.Shared.Written, f.Shared.Listed
	}
	if !slices.Contains(listed, dir) {
		return
	}
	if then, ok := f.Files(in.Pool).Instances.Get(string(in.Address)); !ok || then != in {
		return // it had other disks then, or none
	}
	for _, d := range in.Disks {
		if _, there := written[d.Path]; !there {
			f.add(Disk, in.Address, d.Path, fmt.Sprintf("the file of its %s disk is gone: %s", d.Role, path.Base(d.Path)))
		}
	}
}

// pool says that a pool isn't there, once. Only those of the spec are looked for.
func (f *finder) pool(dir string) {
	if f.pools[dir] || f.State.Desired == nil {
		return
	}
	pools := f.State.Desired.Spec.Pools
	if len(pools) > 0 && !slices.ContainsFunc(pools, func(p spec.Pool) bool { return p.Path == dir }) {
		return
	}
	if f.pools == nil {
		f.pools = map[string]bool{}
	}
	f.pools[dir] = true
	f.add(Pool, f.host, dir, fmt.Sprintf("pool %s, which has disks of ours, is not there", dir))
}

// networks counts the guests that are plugged into what isn't there.
func (f *finder) networks(in *state.Instance, missing map[string]int) {
	if f.State.Desired == nil {
		return
	}
	for _, nic := range in.NICs {
		n := f.State.Desired.Index.Networks[nic.Network]
		switch {
		case n == nil:
		case n.LibvirtNetwork != "":
			if !slices.Contains(f.seen.Inventory.Networks, n.LibvirtNetwork) {
				missing["libvirt network "+n.LibvirtNetwork]++
			}
		default:
			bridge := n.Bridge
			if bridge == "" && f.spec != nil {
				bridge = f.spec.BridgeMappings[n.PhysicalNetwork]
			}
			if bridge != "" && !slices.Contains(f.seen.Inventory.Bridges, bridge) {
				missing["bridge "+bridge]++
			}
		}
	}
}

func (f *finder) lostNetworks(missing map[string]int) {
	for _, what := range slices.Sorted(maps.Keys(missing)) {
		f.add(Network, f.host, what, fmt.Sprintf("%s is gone, with %d of our guests plugged into it", what, missing[what]))
	}
}

// strangers are domains that the record has elsewhere, or not at all.
func (f *finder) strangers() {
	for i := range f.seen.Domains {
		d := &f.seen.Domains[i]
		address := d.Address
		if d.Cluster == "" {
			known := false
			if address, known = f.Instance(d.UUID); !known {
				continue
			}
		} else if d.Cluster != f.State.ClusterID {
			continue
		}
		in, recorded := f.State.Instances.Get(string(address))
		switch {
		case recorded && in.UUID == d.UUID:
			f.elsewhere(in, d)
		case recorded, !f.untouched(address):
		case d.Cluster != "" && !(d.Power == planner.PowerOff && planner.PastLife(f.State, address, d.UUID)):
			f.add(Unknown, address, d.Name, fmt.Sprintf("domain %s is stamped as %s, which the record doesn't have", d.Name, address))
		}
	}
}

// elsewhere: what is off here with an older generation is an old definition, which housekeeping removes.
func (f *finder) elsewhere(in *state.Instance, d *planner.Domain) {
	if in.Host == f.host || !f.settled(in) || d.Migrating || d.Power == planner.PowerIncoming {
		return
	}
	active := d.Power == planner.PowerRunning || d.Power == planner.PowerPaused
	if !active && (d.Generation < in.Generation || planner.GivenUp(f.State, in, f.host, d.Generation)) {
		return
	}
	f.add(Elsewhere, in.Address, string(f.host), fmt.Sprintf("it is %s here and recorded on %s", d.Power, in.Host.Short()))
}
