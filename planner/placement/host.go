package placement

import (
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// Host is a candidate: what a host is, has and may be used for. Everything but its use is fixed for
// the life of a Fleet.
type Host struct {
	Address spec.Address
	Name    string
	Zone    string // name; never empty, see DefaultZone
	// Refusal says why the host takes nothing ("is draining", "doesn't answer", ...), "" if it does.
	Refusal string

	Arch         string
	VirtTypes    []string
	Capabilities map[string]string
	Pools        []Pool
	Bridges      []string
	Networks     []string          // active libvirt networks
	Mappings     map[string]string // physical network -> bridge
	Aggregates   []*spec.Aggregate // in spec order

	Limits       state.Effective // what it has and how much of that may be used
	FailedBuilds int

	used state.Usage // foreign domains included
}

// DefaultZone is the zone of a host that is in none, as in Nova.
const DefaultZone = "nova"

// Used returns what is taken of the host now.
func (h *Host) Used() state.Usage { return h.used }

// metadata returns the values that the host's aggregates give key, in spec order.
func (h *Host) metadata(key string) []string {
	var values []string
	for _, a := range h.Aggregates {
		if v, ok := a.Metadata[key]; ok {
			values = append(values, splitList(v)...)
		}
	}
	return values
}
