package planner

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/novaplan/novaplan/spec"
)

// likelyRenames finds removed instances that a new one with an equal body seems to be, and refuses
// both: a block that was only renamed must not cost a guest its disk. It returns what is left. A
// removed block, or a moved one, says what is meant. Only a proposal is looked at: once approved, it
// was meant.
func (c *computation) likelyRenames(fresh []*spec.Instance, removed []*record) ([]*spec.Instance, []*record) {
	if len(fresh) == 0 || len(removed) == 0 || c.desired.Base == nil || c.options.Destroy {
		return fresh, removed
	}
	m := newMatcher(c, fresh)
	taken := map[spec.Address]spec.Address{} // new -> old
	var kept []*record
	for _, r := range removed {
		if to := m.match(r); to != nil {
			taken[to.Address] = r.have.Address
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

// matcher pairs removed instances with new ones of the same body: of the same block with another key,
// or of a block that is new as a whole, with the same key, when the old block is gone as a whole.
type matcher struct {
	*computation
	sameBlock map[place][]*spec.Instance
	sameKey   map[place][]*spec.Instance
	wanted    map[spec.Address]bool // blocks of the spec
	recorded  map[spec.Address]bool // blocks of the record
	taken     map[*spec.Instance]bool
}

// place is a body and the part of the address that a rename keeps.
type place struct {
	body body
	kept spec.Address
}

// body is everything but names, comparable.
type body struct {
	flavor, image, pool, zone, host, group, keypair spec.Address
	state                                           spec.Power
	rest                                            string // user data, metadata, NICs
}

func bodyOf(in *spec.Instance) body {
	var rest strings.Builder
	fmt.Fprintf(&rest, "%x", in.UserData.HMAC)
	for _, k := range slices.Sorted(maps.Keys(in.Metadata)) {
		fmt.Fprintf(&rest, " %q=%q", k, in.Metadata[k])
	}
	for _, n := range in.NICs {
		fmt.Fprintf(&rest, " %q", []string{n.Name, string(n.Network), n.FixedIP, n.MAC, n.Model})
	}
	return body{in.Flavor, in.Image, in.Pool, in.Zone, in.Host, in.Group, in.Keypair, in.State, rest.String()}
}

func newMatcher(c *computation, fresh []*spec.Instance) *matcher {
	m := &matcher{computation: c, sameBlock: map[place][]*spec.Instance{}, sameKey: map[place][]*spec.Instance{},
		wanted: map[spec.Address]bool{}, recorded: map[spec.Address]bool{}, taken: map[*spec.Instance]bool{}}
	for i := range c.spec.Instances {
		m.wanted[c.spec.Instances[i].Address.Block()] = true
	}
	for _, in := range c.st.Instances.All() {
		m.recorded[in.Address.Block()] = true
	}
	for _, in := range fresh {
		b, block := bodyOf(in), in.Address.Block()
		m.sameBlock[place{b, block}] = append(m.sameBlock[place{b, block}], in)
		if !m.recorded[block] {
			key := in.Address[len(block):]
			m.sameKey[place{b, key}] = append(m.sameKey[place{b, key}], in)
		}
	}
	return m
}

func (m *matcher) match(r *record) *spec.Instance {
	old := r.have.Address
	was := m.desired.Base.Index.Instances[old]
	if was == nil || m.removedBlock(old) != nil {
		return nil
	}
	b, block := bodyOf(was), old.Block()
	if in := m.next(m.sameBlock, place{b, block}); in != nil {
		return in
	}
	if m.wanted[block] {
		return nil
	}
	return m.next(m.sameKey, place{b, old[len(block):]})
}

// next takes the first of the candidates that nobody has.
func (m *matcher) next(from map[place][]*spec.Instance, p place) *spec.Instance {
	for len(from[p]) > 0 {
		in := from[p][0]
		from[p] = from[p][1:]
		if !m.taken[in] {
			m.taken[in] = true
			return in
		}
	}
	return nil
}

// suggestMoves prints one moved block per rename, the whole block's where all of it was renamed.
func (c *computation) suggestMoves(fresh []*spec.Instance, taken map[spec.Address]spec.Address) {
	said := map[spec.Address]bool{}
	for _, in := range fresh {
		from, to := taken[in.Address], in.Address
		if from == "" {
			continue
		}
		if from.Block() != to.Block() {
			from, to = from.Block(), to.Block()
		}
		if said[to] {
			continue
		}
		said[to] = true
		c.fail(Message{Code: CodeLikelyRename, Address: to, Source: in.Source, Blocks: true,
			Summary: fmt.Sprintf("%s is gone and %s is new, with an equal body: was it renamed?", from, to),
			Detail: []string{
				"If so, add:", "",
				"moved {", fmt.Sprintf("  from = %s", from), fmt.Sprintf("  to   = %s", to), "}", "",
				"If the old one is to be destroyed and a new one made, say so:", "",
				"removed {", fmt.Sprintf("  from = %s", from), "  destroy = true", "}",
			}})
	}
}
