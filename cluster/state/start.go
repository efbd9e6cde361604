package state

import (
	"slices"

	"github.com/novaplan/novaplan/spec"
)

// start lets a pending operation begin, if it may now, or hands a running one over to a later epoch.
func (t *transition) start(c *Start) *Refusal {
	if c.Epoch != t.entry.Term {
		return refuse(WrongEpoch, "%s: epoch %d claims in term %d", c.Operation, c.Epoch, t.entry.Term)
	}
	op, ok := t.Operations.Get(c.Operation)
	if !ok {
		return refuse(Unknown, "there is no operation %s", c.Operation)
	}
	next := *op
	next.Epoch = c.Epoch
	switch op.Phase {
	case RunningOp, Revoking:
		if c.Epoch <= op.Epoch {
			return refuse(WrongEpoch, "%s is %s under epoch %d", op.ID, op.Phase, op.Epoch)
		}
		t.setOperation(&next)
		return nil
	case Pending:
	default:
		return refuse(WrongPhase, "%s is %s", op.ID, op.Phase)
	}
	if r := t.mayStart(op); r != nil {
		return r
	}
	next.Phase, next.Started, next.Attempt = RunningOp, t.Time, op.Attempt+1
	t.setOperation(&next)
	switch op.Action {
	case Create:
		t.begin(&next)
	case Terminate:
		t.setPhase(op.Instance, Terminating)
	case Redefine, Rebuild:
		t.nextGeneration(op.Instance)
	}
	return nil
}

// nextGeneration is given before a definition is stamped with it, so that no stamp is ever ahead of the
// record, wherever the work breaks off.
func (t *transition) nextGeneration(address spec.Address) {
	if old, ok := t.Instances.Get(string(address)); ok {
		in := *old
		in.Generation++
		t.setInstance(&in)
	}
}

// begin puts the record of an instance being created where it will be.
func (t *transition) begin(op *Operation) {
	in := *op.Build
	in.Phase, in.Host, in.Size = Building, op.To, op.Size
	t.setInstance(&in)
	t.Lives = t.Lives.With(string(in.Address), in.Incarnation)
}

func (t *transition) mayStart(op *Operation) *Refusal {
	for _, id := range op.After {
		if before, ok := t.Operations.Get(id); ok && before.Phase != Done {
			return refuse(NotReady, "%s waits for %s, which is %s", op.ID, id, before.Phase)
		}
	}
	if other := t.Busy(op.Subject()); other != nil {
		return refuse(NotReady, "%s waits: %s of %s is %s", op.ID, other.Action, op.Subject(), other.Phase)
	}
	if r := t.inPlace(op); r != nil {
		return r
	}
	if op.Action == Create || op.Action == Migrate {
		if r := t.roomFor(op, op.To); r != nil {
			return r
		}
	}
	if op.Action == Migrate {
		if r := t.migrationLimits(op, op.To); r != nil {
			return r
		}
	}
	return t.updateLimit(op)
}

// inPlace checks that the instance is where the operation believes it to be.
func (t *transition) inPlace(op *Operation) *Refusal {
	if op.Instance == "" {
		return nil
	}
	in, exists := t.Instances.Get(string(op.Instance))
	if op.Action == Create {
		if exists {
			return refuse(WrongPhase, "%s is in the record already, %s on %s", op.Instance, in.Phase, in.Host)
		}
		return t.addressesFree(op)
	}
	switch {
	case !exists:
		return refuse(WrongPhase, "%s is not in the record", op.Instance)
	case in.Phase == Frozen:
		return refuse(WrongPhase, "%s is frozen: %s", op.Instance, in.Why)
	case op.From != "" && op.From != in.Host:
		return refuse(WrongPhase, "%s is on %s, not on %s", op.Instance, in.Host, op.From)
	}
	return nil
}

func (t *transition) addressesFree(op *Operation) *Refusal {
	for _, nic := range op.Build.NICs {
		if nic.IP == "" {
			continue
		}
		if owner := t.addressOwner(nic, op.Instance, func(a spec.Address) bool {
			_, exists := t.Instances.Get(string(a))
			return !exists
		}); owner != "" {
			return refuse(NotReady, "%s still has %s of %s", owner, nic.IP, nic.Network)
		}
	}
	return nil
}

// roomFor checks that host to can take the instance now: usable, capacity, group.
func (t *transition) roomFor(op *Operation, to spec.Address) *Refusal {
	wanted := t.Desired.host(to)
	if wanted == nil {
		return refuse(NoCapacity, "%s is not in the spec", to)
	}
	if wanted.Mode != spec.ModeActive && wanted.Mode != "" {
		return refuse(NoCapacity, "%s is in mode %s", to, wanted.Mode)
	}
	h, ok := t.Hosts.Get(string(to))
	if !ok || h.Inventory.Version == 0 {
		return refuse(NoCapacity, "%s was never looked at", to)
	}
	if h.Inventory.Verdict != "" {
		return refuse(NoCapacity, "%s: %s", to, h.Inventory.Verdict)
	}
	if o := h.Inventory.Owner; o != "" && o != t.ClusterID {
		return refuse(NoCapacity, "%s is claimed by cluster %s", to, o)
	}
	limits := Limits(t.Desired, to, &h.Inventory)
	if s := limits.Fits(op.Size, h.Used.Plus(h.Inventory.Foreign)); s != nil && t.checked(s.Filter) {
		return refuse(NoCapacity, "%s: %s", to, s.Error())
	}
	if r := t.spaceFor(op, to, limits); r != nil {
		return r
	}
	if h.Used.IOOps >= limits.MaxIOOps {
		return refuse(LimitReached, "%s has %d builds and migrations under way", to, h.Used.IOOps)
	}
	return t.groupAllows(op, to)
}

// spaceFor checks the pool that the disks are to be in. In a shared pool neither a move nor another try of a
// create takes more than it has.
func (t *transition) spaceFor(op *Operation, to spec.Address, limits Effective) *Refusal {
	pool := op.Pool
	if op.Build != nil {
		pool = op.Build.Pool
	}
	if pool.Shared && (op.Action == Migrate || op.Phase != Pending) {
		return nil
	}
	h, _ := t.Hosts.Get(string(to))
	if s := limits.FitsPool(op.Size, pool, RoomOf(t.Desired, to, &h.Inventory, pool), t.PoolUsed(to, pool)); s != nil {
		return refuse(NoCapacity, "%s: %s", to, s.Error())
	}
	return nil
}

// checked tells whether the spec's scheduler wants this resource looked at. Memory, disk and cores
// always are; the number of instances only when its filter is on, because Nova's classic preset has none.
func (t *transition) checked(filter string) bool {
	if filter != "num_instances" {
		return true
	}
	s := t.Desired.Spec.Scheduler
	if s.Filters != nil {
		return slices.Contains(s.Filters, filter)
	}
	return s.Preset != "nova"
}

// groupAllows checks the hard policies of server groups against what is on hosts or on its way.
func (t *transition) groupAllows(op *Operation, to spec.Address) *Refusal {
	instance := op.Instance
	group := t.Desired.Group(instance)
	if group == nil {
		return nil
	}
	switch group.Policy {
	case spec.AntiAffinity:
		there := 0
		for _, other := range t.Residents(to) {
			if other != instance && t.Desired.Group(other) == group {
				there++
			}
		}
		if most := max(1, group.MaxServerPerHost); there >= most {
			return refuse(GroupPolicy, "%s: %d of %s on %s, the most is %d", instance, there, group.Address, to, most)
		}
	case spec.Affinity:
		if op.Unit == group.Address && to == op.To {
			return t.unitAllows(op, group)
		}
		if host, other := t.groupElsewhere(group, instance, to); host != "" {
			return refuse(GroupPolicy, "%s: %s of %s is on %s, not on %s", instance, other, group.Address, host, to)
		}
	}
	return nil
}

// groupElsewhere finds a member of an affinity group that is not on host to, or is leaving it.
func (t *transition) groupElsewhere(group *spec.ServerGroup, instance, to spec.Address) (host, other spec.Address) {
	for _, member := range t.Desired.members[group.Address] {
		if member == instance {
			continue
		}
		if in, ok := t.Instances.Get(string(member)); ok && in.Host != to {
			return in.Host, member
		}
		if op := t.Busy(member); op != nil && op.Action == Migrate && op.To != to {
			return op.To, member
		}
	}
	return "", ""
}

// migrationLimits counts what is in flight at either end, and in total.
func (t *transition) migrationLimits(op *Operation, to spec.Address) *Refusal {
	perHost, total := t.Desired.Parallel()
	var all, from, there int
	for _, other := range t.Running() {
		if other.Action != Migrate || other.ID == op.ID {
			continue
		}
		all++
		if other.From == op.From || other.To == op.From {
			from++
		}
		if other.From == to || other.To == to {
			there++
		}
	}
	switch {
	case all >= total:
		return refuse(LimitReached, "%d migrations are under way, the most is %d", all, total)
	case from >= perHost:
		return refuse(LimitReached, "%d migrations are under way on %s, the most is %d", from, op.From, perHost)
	case there >= perHost:
		return refuse(LimitReached, "%d migrations are under way on %s, the most is %d", there, to, perHost)
	}
	return nil
}

// updateLimit counts what interrupts instances of the same block or group.
func (t *transition) updateLimit(op *Operation) *Refusal {
	if op.Block == "" {
		return nil
	}
	n := 0
	for _, other := range t.Running() {
		if other.Block == op.Block {
			n++
		}
	}
	if most := t.Desired.Interruptions(op.Block); n >= most {
		return refuse(LimitReached, "%d of %s are interrupted, the most is %d", n, op.Block, most)
	}
	return nil
}
