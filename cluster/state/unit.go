package state

import "github.com/novaplan/novaplan/spec"

// unitAllows checks a migrate that is part of moving an affinity group as a whole. While that lasts the group
// may be on two hosts: the one that it leaves and the one that it goes to. Members move one by one, so
// there is no other way; for guests that run the spec has to allow it, and of stopped ones nobody notices.
//
// A split begins only when the whole group is on its way. One that is there, because an earlier move broke
// off, is mended by any member that joins the others.
func (t *transition) unitAllows(op *Operation, group *spec.ServerGroup) *Refusal {
	arrived := false
	var behind []spec.Address
	for _, member := range t.Desired.members[group.Address] {
		in, recorded := t.Instances.Get(string(member))
		if !recorded {
			continue
		}
		if !group.SplitWhileMoving && !in.Stopped {
			return refuse(GroupPolicy, "%s: %s of %s isn't stopped, and split_while_moving isn't set", op.Instance, member, group.Address)
		}
		if member == op.Instance {
			continue
		}
		if in.Host != op.From && in.Host != op.To {
			return refuse(GroupPolicy, "%s: %s of %s is on %s, neither on %s nor on %s", op.Instance, member, group.Address, in.Host, op.From, op.To)
		}
		busy := t.Busy(member)
		moves := busy != nil && busy.Action == Migrate
		if moves && (busy.From != op.From || busy.To != op.To) {
			return refuse(GroupPolicy, "%s: %s of %s is on its way from %s to %s", op.Instance, member, group.Address, busy.From, busy.To)
		}
		if moves || in.Host == op.To {
			arrived = true
		} else {
			behind = append(behind, member)
		}
	}
	if arrived || len(behind) == 0 {
		return nil
	}
	follows := t.followers(op)
	for _, member := range behind {
		if !follows[member] {
			return refuse(GroupPolicy, "%s: %s of %s would stay on %s", op.Instance, member, group.Address, op.From)
		}
	}
	return nil
}

// followers are the instances that still have to make the same move.
func (t *transition) followers(op *Operation) map[spec.Address]bool {
	follows := map[spec.Address]bool{}
	for _, other := range t.Operations.All() {
		if other.Unit == op.Unit && other.Phase == Pending && other.From == op.From && other.To == op.To {
			follows[other.Instance] = true
		}
	}
	return follows
}
