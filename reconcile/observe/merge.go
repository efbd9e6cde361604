package observe

import (
	"maps"
	"path"
	"slices"

	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

// Merge returns last with what later looks at some of its hosts saw, in the order in which they were made. None of
// the arguments changes. brief looks say nothing about pools, and a look that didn't list a shared pool nothing
// about the files in it: there, what was seen before stays.
func Merge(last *planner.Observed, later ...Partial) *planner.Observed {
	next := &planner.Observed{}
	if last != nil {
		*next = *last
	}
	next.Hosts = maps.Clone(next.Hosts)
	if next.Hosts == nil {
		next.Hosts = map[spec.Address]*planner.HostObservation{}
	}
	for _, p := range later {
		if next.At.Before(p.Seen.At) {
			next.At = p.Seen.At
		}
		for address, h := range p.Seen.Hosts {
			next.Hosts[address] = p.merge(h, next.Hosts[address])
		}
		if len(p.Seen.Listed) > 0 {
			p.files(next)
		}
	}
	return next
}

// Partial is a look at some hosts.
type Partial struct {
	Seen  *planner.Observed
	Brief bool
}

// merge returns h with what this look left out of it.
func (p Partial) merge(h, before *planner.HostObservation) *planner.HostObservation {
	if before == nil || !before.Reachable || !h.Reachable {
		return h
	}
	with := *h
	if p.Brief {
		with.Inventory.Pools, with.Written, with.Listed, with.Images = before.Inventory.Pools, before.Written, before.Listed, before.Images
		return &with
	}
	for _, image := range before.Images {
		if p.unlisted(h, image.Pool) {
			with.Images = append(slices.Clip(with.Images), image)
		}
	}
	return &with
}

// unlisted reports whether a host has a pool of which this look listed no files.
func (p Partial) unlisted(h *planner.HostObservation, pool string) bool {
	if slices.Contains(h.Listed, pool) || slices.Contains(p.Seen.Listed, pool) {
		return false
	}
	for i := range h.Inventory.Pools {
		if h.Inventory.Pools[i].Path == pool {
			return true
		}
	}
	return false
}

// files replaces what is known of the shared pools that were listed.
func (p Partial) files(o *planner.Observed) {
	listed := map[string]bool{}
	for _, dir := range p.Seen.Listed {
		listed[dir] = true
	}
	written := map[string]int64{}
	for file, size := range o.Written {
		if !listed[path.Dir(file)] {
			written[file] = size
		}
	}
	maps.Copy(written, p.Seen.Written)
	o.Written = written
	o.Listed = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(o.Listed), p.Seen.Listed...))))
}
