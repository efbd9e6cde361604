package planner

import (
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// failure is what became of the last tries to create an instance.
type failure struct {
	tried []spec.Address
	last  spec.Address
	why   string
}

// failed returns how the creates of an instance failed since the last one that worked.
func (c *computation) failed(a spec.Address) failure {
	if c.failures == nil {
		c.failures = map[spec.Address]failure{}
		var creates []*state.Operation
		for _, op := range c.st.Operations.All() {
			if op.Action == state.Create && op.Phase.Final() {
				creates = append(creates, op)
			}
		}
		slices.SortFunc(creates, func(a, b *state.Operation) int { return state.CompareIDs(a.ID, b.ID) })
		for _, op := range creates {
			c.remember(op)
		}
	}
	return c.failures[a]
}

func (c *computation) remember(op *state.Operation) {
	switch op.Phase {
	case state.Done:
		delete(c.failures, op.Instance)
	case state.Failed:
		f := c.failures[op.Instance]
		f.tried = append(append(f.tried, op.Tried...), op.To)
		f.last, f.why = op.To, op.Error
		c.failures[op.Instance] = f
	}
}
