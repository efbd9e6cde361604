package planner

import (
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// unitBroken reports whether a pending operation is part of a group's move that is no longer allowed, or that
// would begin and not be one of the whole group: the record will never let it start. wrong are those
// that are withdrawn.
func (c *computation) unitBroken(op *state.Operation, open []*state.Operation, wrong map[string]bool) bool {
	if op.Unit == "" {
		return false
	}
	g := c.index.Groups[op.Unit]
	if g == nil || g.Policy != spec.Affinity {
		return true
	}
	going := map[spec.Address]bool{}
	begun := false
	for _, other := range open {
		if other.Unit == op.Unit && other.From == op.From && other.To == op.To && !wrong[other.ID] {
			going[other.Instance] = true
			begun = begun || other.Phase != state.Pending
		}
	}
	behind := false
	for _, member := range c.desired.Members(g.Address) {
		have, recorded := c.st.Instances.Get(string(member))
		if !recorded {
			continue
		}
		if !g.SplitWhileMoving && !have.Stopped {
			return true
		}
		begun = begun || have.Host == op.To
		behind = behind || have.Host == op.From && !going[member]
	}
	return behind && !begun
}
