package planner

import (
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// leaves reports whether what was found behind our back is to be left as it is; code is the reason that a change
// would have.
func (c *computation) leaves(code string) bool { return slices.Contains(c.options.Leave, code) }

// holds reports whether nothing is to be decided about an instance or host now.
func (c *computation) holds(a spec.Address) bool {
	if c.onHold == nil {
		c.onHold = make(map[spec.Address]bool, len(c.options.Hold))
		for _, a := range c.options.Hold {
			c.onHold[a] = true
		}
	}
	return c.onHold[a]
}

// unclaimed says why a host is to be claimed: nobody ever has, or our claim is gone from it.
func unclaimed(h *host) state.Reason {
	if h.record != nil && h.record.Claimed {
		return state.Reason{Code: ReasonFoundUnclaimed, Message: "our claim is gone from the host"}
	}
	return state.Reason{Code: ReasonUnclaimedHost, Message: "nobody has claimed the host"}
}
