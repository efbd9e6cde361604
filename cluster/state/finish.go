package state

import (
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/spec"
)

// claimed returns a running operation that this epoch has.
func (t *transition) claimed(id string, epoch uint64, phase Phase) (*Operation, *Refusal) {
	op, ok := t.Operations.Get(id)
	switch {
	case !ok:
		return nil, refuse(Unknown, "there is no operation %s", id)
	case op.Phase != phase:
		return nil, refuse(WrongPhase, "%s is %s", id, op.Phase)
	case op.Epoch != epoch:
		return nil, refuse(WrongEpoch, "%s runs under epoch %d, not %d", id, op.Epoch, epoch)
	}
	return op, nil
}

func (t *transition) step(c *Step) *Refusal {
	op, refused := t.claimed(c.Operation, c.Epoch, RunningOp)
	if refused != nil {
		return refused
	}
	if !slices.Contains(op.Steps, c.Step) {
		next := *op
		next.Steps = append(slices.Clip(op.Steps), c.Step)
		t.setOperation(&next)
	}
	t.merge(op.Instance, c.Build)
	return nil
}

// merge takes over what an operation found out about its instance. Identity, place, size and what only the
// spec decides are the record's own; the generation only grows. The size of a root disk that is as large as
// its image is found out with the image.
func (t *transition) merge(address spec.Address, found *Instance) {
	old, ok := t.Instances.Get(string(address))
	if found == nil || !ok {
		return
	}
	in := *found
	in.Address, in.Stack, in.UUID, in.Incarnation = old.Address, old.Stack, old.UUID, old.Incarnation
	in.Host, in.Size, in.Phase, in.Why = old.Host, old.Size, old.Phase, old.Why
	in.Generation = max(old.Generation, found.Generation)
	if old.Size.DiskMiB == 0 && old.Phase == Building {
		in.Size.DiskMiB = max(0, found.Size.DiskMiB)
	}
	in.set(old.settings())
	in.CreatedAt = old.CreatedAt
	t.setInstance(&in)
}

func (t *transition) finish(c *Finish) *Refusal {
	op, refused := t.claimed(c.Operation, c.Epoch, RunningOp)
	if refused != nil {
		return refused
	}
	if c.Error != "" {
		t.failed(op, c.Error)
		return nil
	}
	t.merge(op.Instance, c.Build)
	t.end(*op, Done, "")
	t.succeeded(op)
	t.event(Event{Kind: "operation", Address: op.Subject(), Message: describe(op) + " done", Request: op.Request})
	return nil
}

// failed ends an operation that its executor has undone: a failed create leaves nothing.
func (t *transition) failed(op *Operation, why string) {
	t.end(*op, Failed, why)
	switch op.Action {
	case Create:
		t.dropInstance(op.Instance)
		t.countBuild(op.To, true)
	case Terminate:
		t.setPhase(op.Instance, Active)
	}
	t.event(Event{Kind: "operation", Address: op.Subject(), Message: describe(op) + " failed: " + why, Request: op.Request})
}

func (t *transition) succeeded(op *Operation) {
	switch op.Action {
	case Create:
		t.setPhase(op.Instance, Active)
		t.countBuild(op.To, false)
	case Terminate:
		t.discard(op)
	case Forget:
		t.dropInstance(op.Instance)
	case ClaimHost:
		t.setClaim(op.To, true)
	case Unclaim:
		t.setClaim(op.From, false)
		t.forgetHost(op.From)
	case Migrate, StartUp, Stop:
		t.changed(op)
	}
}

// changed records what a successful operation did to an instance that stays.
func (t *transition) changed(op *Operation) {
	old, ok := t.Instances.Get(string(op.Instance))
	if !ok {
		return
	}
	in := *old
	switch op.Action {
	case Migrate:
		in.Host = op.To
		in.Generation++
	case StartUp:
		in.Stopped = false
	case Stop:
		in.Stopped = true
	}
	t.setInstance(&in)
}

// discard moves the disks of a terminated instance to the trash.
func (t *transition) discard(op *Operation) {
	in, ok := t.Instances.Get(string(op.Instance))
	if !ok {
		return
	}
	t.dropInstance(op.Instance)
	if len(in.Disks) == 0 {
		return
	}
	t.Trash = t.Trash.With(in.UUID, &Trash{
		ID: in.UUID, Instance: in.Address, UUID: in.UUID, Host: in.Host, Pool: in.Pool, Disks: in.Disks,
		Operation: op.ID, At: t.Time, Expires: t.Time.Add(in.TrashRetention),
	})
}

func (t *transition) retarget(c *Retarget) *Refusal {
	op, refused := t.claimed(c.Operation, c.Epoch, RunningOp)
	if refused != nil {
		return refused
	}
	if op.Action != Create && op.Action != Migrate {
		return refuse(Invalid, "%s is a %s: it has no other target", op.ID, op.Action)
	}
	if c.To == op.To || c.To == op.From {
		return refuse(Invalid, "%s: %s is no other target", op.ID, c.To)
	}
	next := *op
	if in, ok := t.Instances.Get(string(op.Instance)); ok {
		next.Size = in.Size // it may know its disk by now
	}
	if r := t.roomFor(&next, c.To); r != nil {
		return r
	}
	if op.Action == Migrate {
		if r := t.migrationLimits(op, c.To); r != nil {
			return r
		}
	}
	next.To, next.Attempt, next.Steps = c.To, op.Attempt+1, nil
	next.Tried = append(slices.Clip(op.Tried), op.To)
	t.setOperation(&next)
	if op.Action == Create {
		t.countBuild(op.To, true)
		t.begin(&next)
	}
	t.event(Event{Kind: "operation", Address: op.Subject(), Request: op.Request,
		Message: fmt.Sprintf("%s failed: %s; trying %s", describe(op), c.Error, c.To)})
	return nil
}

// setPhase changes the phase of an instance, unless it is frozen.
func (t *transition) setPhase(address spec.Address, phase InstancePhase) {
	old, ok := t.Instances.Get(string(address))
	if !ok || old.Phase == Frozen || old.Phase == phase {
		return
	}
	in := *old
	in.Phase = phase
	if phase == Active && in.CreatedAt.IsZero() {
		in.CreatedAt = t.Time
	}
	t.setInstance(&in)
}

// countBuild keeps the build_failure weigher's raw value.
func (t *transition) countBuild(host spec.Address, failed bool) {
	h := t.hostCopy(host)
	if failed {
		h.FailedBuilds++
	} else {
		h.FailedBuilds = 0
	}
	t.Hosts = t.Hosts.With(string(host), h)
}

func describe(op *Operation) string {
	switch {
	case op.Action == Migrate:
		return fmt.Sprintf("%s-migrate %s -> %s", op.Kind, op.From, op.To)
	case op.To != "" && op.Instance != "":
		return fmt.Sprintf("%s on %s", op.Action, op.To)
	}
	return string(op.Action)
}
