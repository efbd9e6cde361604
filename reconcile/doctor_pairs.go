package reconcile

import (
	"context"
	"fmt"

	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// pairs lists which hosts are tested against which, of those that answered.
func (d *doctor) pairs() [][2]*spec.Host {
	var up []*spec.Host
	for i := range d.spec.Hosts {
		if _, ok := d.infos[d.spec.Hosts[i].Address]; ok {
			up = append(up, &d.spec.Hosts[i])
		}
	}
	reach := len(up) - 1
	if len(up) > maxPairs {
		reach = neighbours
	}
	var pairs [][2]*spec.Host
	for i := range up {
		for k := 1; k <= reach; k++ {
			pairs = append(pairs, [2]*spec.Host{up[i], up[(i+k)%len(up)]})
		}
	}
	return pairs
}

// peer checks that guests could move from one host to another: login and port.
func (d *doctor) peer(ctx context.Context, from, to *spec.Host) planner.Check {
	uri := to.PeerURI
	if uri == "" {
		uri = to.URI
	}
	p := planner.Check{Host: from.Address, Peer: to.Address, Name: "migration", Status: planner.CheckOK, Detail: uri}
	h, err := d.c.hosts.get(ctx, from)
	if err == nil {
		err = operation.Timed(h, operation.Times{Call: 2 * d.c.opts.Connect}).CheckPeer(ctx, uri)
	}
	if err != nil {
		p.Status, p.Detail = planner.CheckWarning, err.Error()
		p.Fix = fmt.Sprintf("on %s: virsh -c %s version; set peer_uri where it differs from uri", from.Name, uri)
	}
	return p
}

// twins finds hosts of one UUID: they are one machine, or can't migrate to each other.
func (d *doctor) twins() []planner.Check {
	var checks []planner.Check
	first := map[string]*spec.Host{}
	for i := range d.spec.Hosts {
		s := &d.spec.Hosts[i]
		uuid := d.infos[s.Address].UUID
		if other := first[uuid]; uuid != "" && other != nil {
			p := check(s, "host uuid", planner.CheckFailed, fmt.Sprintf("the same as %s: %s", other.Name, uuid), "set host_uuid in /etc/libvirt/libvirtd.conf")
			p.Peer = other.Address
			checks = append(checks, p)
		} else if uuid != "" {
			first[uuid] = s
		}
	}
	return checks
}

// cpus asks whether there is a CPU that all kvm hosts of an architecture can run.
func (d *doctor) cpus(ctx context.Context) []planner.Check {
	var checks []planner.Check
	cpus := map[string][]string{}
	asked := map[string]*spec.Host{}
	for i := range d.spec.Hosts {
		s := &d.spec.Hosts[i]
		if info, ok := d.infos[s.Address]; ok && info.CPU != "" {
			cpus[info.Arch] = append(cpus[info.Arch], info.CPU)
			if asked[info.Arch] == nil {
				asked[info.Arch] = s
			}
		}
	}
	for i := range d.spec.Hosts {
		s := &d.spec.Hosts[i]
		arch := d.infos[s.Address].Arch
		if asked[arch] != s {
			continue
		}
		var h hypervisor.Host
		h, err := d.c.hosts.get(ctx, s)
		if err == nil {
			_, err = operation.Timed(h, operation.Times{}).BaselineCPU(ctx, cpus[arch])
		}
		status, detail, fix := planner.CheckOK, fmt.Sprintf("%d %s hosts have a CPU in common", len(cpus[arch]), arch), ""
		if err != nil {
			status, detail, fix = planner.CheckWarning, err.Error(), "guests of some hosts can't move to others: group them in zones"
		}
		checks = append(checks, check(s, "cpu baseline", status, detail, fix))
	}
	return checks
}
