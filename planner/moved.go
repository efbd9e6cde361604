package planner

import (
	"slices"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// impliedMoves returns the moved blocks that nobody has to write: adding count makes web web[0],
// removing it makes web[0] web.
func impliedMoves(st state.State, proposed *spec.Spec) []spec.Moved {
	wanted := make(map[spec.Address]bool, len(proposed.Instances))
	for i := range proposed.Instances {
		wanted[proposed.Instances[i].Address] = true
	}
	var moves []spec.Moved
	for _, in := range st.Instances.All() {
		from := in.Address
		if wanted[from] || movedAway(proposed, from) {
			continue
		}
		to := from.Index(0)
		if block, counted := strings.CutSuffix(string(from), "[0]"); counted {
			to = spec.Address(block)
		}
		if _, taken := st.Instances.Get(string(to)); wanted[to] && !taken {
			moves = append(moves, spec.Moved{From: from, To: to})
		}
	}
	return moves
}

// movedAway reports whether a moved block is about an address or its block.
func movedAway(s *spec.Spec, a spec.Address) bool {
	return slices.ContainsFunc(s.Moved, func(m spec.Moved) bool { return m.From == a || m.From == a.Block() })
}
