package planner

import (
	"fmt"
	"maps"
	"slices"

	"github.com/novaplan/novaplan/spec"
)

// likelyRenames finds removed instances that a new one with an equal body seems to be, and refuses
// both: a block that was only renamed must not cost a guest its disk. It returns what is left. A
// removed block, or a moved one, says what is meant.
func (c *computation) likelyRenames(fresh []*spec.Instance, removed []*record) ([]*spec.Instance, []*record) {
	if len(fresh) == 0 || len(removed) == 0 || c.options.Destroy {
		return fresh, removed
	}
	taken := map[spec.Address]spec.Address{} // new -> old
	var kept []*record
	for _, r := range removed {
		if to := c.lookalike(r, fresh, taken); to != "" {
			taken[to] = r.have.Address
		} else {
			kept = append(kept, r)
		}
	}
	if len(taken) == 0 {
		return fresh, removed
	}
	c.suggestMoves(fresh, taken)
	return slices.DeleteFunc(fresh, func(in *spec.Instance) bool { return taken[in.Address] != "" }), kept
}

// lookalike returns the first new instance that r seems to have become: of a whole new block with the
// same key when r's whole block is gone, or of r's own block with another key.
func (c *computation) lookalike(r *record, fresh []*spec.Instance, taken map[spec.Address]spec.Address) spec.Address {
	old := r.have.Address
	if c.removedBlock(old) != nil {
		return ""
	}
	for _, in := range fresh {
		if taken[in.Address] != "" || !c.sameBody(r, in) {
			continue
		}
		block, was := in.Address.Block(), old.Block()
		sameKey := in.Address[len(block):] == old[len(was):]
		if block == was || sameKey && !c.blockInSpec(was) && c.newBlock(block) {
			return in.Address
		}
	}
	return ""
}

// sameBody compares everything but names. Of what the record doesn't hold, the replaced spec tells.
func (c *computation) sameBody(r *record, in *spec.Instance) bool {
	have := r.have
	if was := c.base().Index.Instances[have.Address]; was != nil {
		return was.Flavor == in.Flavor && was.Image == in.Image && was.Pool == in.Pool && was.Zone == in.Zone &&
			was.Host == in.Host && was.Group == in.Group && was.Keypair == in.Keypair && was.State == in.State &&
			slices.Equal(was.NICs, in.NICs) && maps.Equal(was.Metadata, in.Metadata) &&
			slices.Equal(was.UserData.HMAC, in.UserData.HMAC)
	}
	if have.Flavor != in.Flavor || have.Image != in.Image || len(have.NICs) != len(in.NICs) {
		return false
	}
	for i, n := range in.NICs {
		if have.NICs[i].Network != n.Network {
			return false
		}
	}
	return len(have.UserData) == 0 || len(in.UserData.HMAC) == 0 || slices.Equal(have.UserData, in.UserData.HMAC)
}

func (c *computation) blockInSpec(block spec.Address) bool {
	return slices.ContainsFunc(c.spec.Instances, func(in spec.Instance) bool { return in.Address.Block() == block })
}

// newBlock: no instance of the block has a place.
func (c *computation) newBlock(block spec.Address) bool {
	for _, in := range c.st.Instances.All() {
		if in.Address.Block() == block {
			return false
		}
	}
	return true
}

// suggestMoves prints one moved block per rename, the whole block's where all of it was renamed.
func (c *computation) suggestMoves(fresh []*spec.Instance, taken map[spec.Address]spec.Address) {
	said := map[spec.Address]bool{}
	for _, in := range fresh {
		from := taken[in.Address]
		if from == "" {
			continue
		}
		to := in.Address
		if from.Block() != to.Block() {
			from, to = from.Block(), to.Block()
		}
		if said[to] {
			continue
		}
		said[to] = true
		c.fail(Message{Code: CodeLikelyRename, Address: to, Source: in.Source,
			Summary: fmt.Sprintf("%s is gone and %s is new, with an equal body: was it renamed?", from, to),
			Detail: []string{
				"If so, add:", "",
				"moved {", fmt.Sprintf("  from = %s", from), fmt.Sprintf("  to   = %s", to), "}", "",
				"If the old one is to be destroyed and a new one made, say so:", "",
				"removed {", fmt.Sprintf("  from = %s", from), "  destroy = true", "}",
			}})
	}
}
