package planner

import (
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// failure is what became of the last tries to create or move an instance.
type failure struct {
	tried []spec.Address
	last  spec.Address
	why   string
}

// attempt is what was tried: a create or a migrate of an instance.
type attempt struct {
	instance spec.Address
	action   state.Action
}

// failed returns how the creates or moves of an instance failed since the last one that worked.
func (c *computation) failed(a spec.Address, action state.Action) failure {
	if c.failures == nil {
		c.failures = map[attempt]failure{}
		var ended []*state.Operation
		for _, op := range c.st.Operations.All() {
			if (op.Action == state.Create || op.Action == state.Migrate) && op.Phase.Final() {
				ended = append(ended, op)
			}
		}
		slices.SortFunc(ended, func(a, b *state.Operation) int { return state.CompareIDs(a.ID, b.ID) })
		for _, op := range ended {
			c.remember(op)
		}
	}
	return c.failures[attempt{a, action}]
}

func (c *computation) remember(op *state.Operation) {
	what := attempt{op.Instance, op.Action}
	switch op.Phase {
	case state.Done:
		delete(c.failures, what)
	case state.Failed:
		f := c.failures[what]
		f.tried = append(append(f.tried, op.Tried...), op.To)
		f.last, f.why = op.To, op.Error
		c.failures[what] = f
	}
}
