package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// sighting is a domain that was seen on a host.
type sighting struct {
	host   *host
	domain *Domain
}

// active: a QEMU process exists, the disks may be written.
func (s sighting) active() bool {
	return s.domain.Power == PowerRunning || s.domain.Power == PowerPaused || s.domain.Power == PowerIncoming
}

// lookAtDomains finds our domains on all reachable hosts, and the ones that stand in our way.
func (c *computation) lookAtDomains() {
	known := make(map[string]bool, c.st.Instances.Len())
	for _, in := range c.st.Instances.All() {
		known[in.UUID] = true
	}
	for _, h := range c.hosts {
		if !h.reachable {
			continue
		}
		for i := range h.seen.Domains {
			c.sight(sighting{h, &h.seen.Domains[i]}, known)
		}
	}
}

func (c *computation) sight(s sighting, known map[string]bool) {
	d := s.domain
	switch {
	case d.Cluster == c.st.ClusterID && c.st.ClusterID != "" && known[d.UUID], d.Cluster == "" && known[d.UUID]:
		c.sightings[d.UUID] = append(c.sightings[d.UUID], s)
	case d.Cluster == c.st.ClusterID && d.Cluster != "":
		c.unknownDomain(s)
	case d.Cluster != "":
		c.stamped[d.Address] = s
	}
}

// PastLife reports whether a UUID is that of a life of an address which the record has seen end: a domain of it
// that is off came from a call that arrived late, and is nobody's.
func PastLife(st state.State, address spec.Address, uuid string) bool {
	lives, _ := st.Lives.Get(string(address))
	if st.Busy(address) != nil {
		return false
	}
	for _, in := range st.Instances.All() { // a moved block may have given it another address
		if in.UUID == uuid {
			return false
		}
	}
	for n := lives; n > 0; n-- {
		if state.InstanceUUID(st.ClusterID, address, n) == uuid {
			return true
		}
	}
	return false
}

// GivenUp reports whether a definition on a host is what a migration of the instance left there that the record
// gave up: it has the generation which that one would have given it.
func GivenUp(st state.State, in *state.Instance, at spec.Address, generation uint64) bool {
	if at == in.Host || generation != in.Generation+1 || st.Busy(in.Address) != nil {
		return false
	}
	return slices.Contains(GivenUpTo(st, in), at)
}

// GivenUpTo lists the hosts to which migrations of the instance from where it is were begun and given up. One
// whose answer was lost may still bring it there.
func GivenUpTo(st state.State, in *state.Instance) []spec.Address {
	var hosts []spec.Address
	for _, op := range st.Operations.All() {
		if op.Action != state.Migrate || !op.Phase.Final() || op.Instance != in.Address || op.From != in.Host {
			continue
		}
		for _, to := range append(slices.Clone(op.Tried), op.To) {
			if to != in.Host && !slices.Contains(hosts, to) {
				hosts = append(hosts, to)
			}
		}
	}
	return hosts
}

// unknownDomain: our stamp, but not in the record. What is being built or taken away right now is
// neither a surprise nor lost.
func (c *computation) unknownDomain(s sighting) {
	d := s.domain
	if len(c.work[d.Address]) > 0 {
		return
	}
	if d.Power == PowerOff && PastLife(c.st, d.Address, d.UUID) {
		c.warn(Message{Code: CodeStaleCopy, Address: d.Address,
			Summary: fmt.Sprintf("a definition of a former %s is left on %s (domain %s, off)", d.Address, s.host.name(), d.Name),
			Detail:  []string{"It came there late and is removed after the next apply."}})
		return
	}
	c.stamped[d.Address] = s
	c.fail(Message{Code: CodeUnknownDomain, Address: d.Address,
		Summary: fmt.Sprintf("domain %s on %s is stamped as %s of this cluster, but the record doesn't know it", d.Name, s.host.name(), d.Address),
		Detail:  []string{"The record is older than the hosts, or was lost. `novaplan takeover` rebuilds it from the stamps."}})
}

// inTheWay says why address can't be created: something else claims to be it. The caller leaves it.
func (c *computation) inTheWay(in *spec.Instance) bool {
	s, ok := c.stamped[in.Address]
	if !ok {
		return false
	}
	if s.domain.Cluster != c.st.ClusterID {
		c.fail(Message{Code: CodeOtherCluster, Address: in.Address, Source: in.Source,
			Summary: fmt.Sprintf("%s exists: domain %s on %s belongs to cluster %s", in.Address, s.domain.Name, s.host.name(), s.domain.Cluster),
			Detail: []string{"It is not created a second time. If this folder is a fresh copy, use the controller that owns it",
				"(NOVAPLAN_ADDR), or take it over: `novaplan takeover`."}})
	}
	return true
}

// Difference says how the definition of a domain differs from what the record says it is made of. What an
// observation left out is not compared.
func Difference(d *Domain, have *state.Instance) []string {
	var diffs []string
	if !d.Persistent {
		diffs = append(diffs, "its definition is gone, so it is lost when it stops")
	}
	if d.VCPUs > 0 && d.VCPUs != have.Size.VCPUs {
		diffs = append(diffs, fmt.Sprintf("vcpus %d, recorded %d", d.VCPUs, have.Size.VCPUs))
	}
	if d.MemoryMiB > 0 && d.MemoryMiB != have.Size.MemoryMiB {
		diffs = append(diffs, fmt.Sprintf("memory %d MiB, recorded %d MiB", d.MemoryMiB, have.Size.MemoryMiB))
	}
	var disks, macs []string
	for _, x := range have.Disks {
		disks = append(disks, x.Path)
	}
	for _, n := range have.NICs {
		macs = append(macs, strings.ToLower(n.MAC))
	}
	if len(disks) > 0 {
		diffs = append(diffs, setDifference("disk", d.Disks, disks)...)
	}
	seen := make([]string, len(d.MACs))
	for i, m := range d.MACs {
		seen[i] = strings.ToLower(m)
	}
	if len(macs) > 0 {
		diffs = append(diffs, setDifference("interface", seen, macs)...)
	}
	return diffs
}

func setDifference(what string, seen, recorded []string) []string {
	if len(seen) == 0 {
		return nil
	}
	var diffs []string
	for _, s := range seen {
		if !slices.Contains(recorded, s) {
			diffs = append(diffs, what+" "+s+" isn't recorded")
		}
	}
	for _, r := range recorded {
		if !slices.Contains(seen, r) {
			diffs = append(diffs, what+" "+r+" is missing")
		}
	}
	return diffs
}
