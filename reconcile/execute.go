package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/operation"
)

// ending is how a worker's run of an operation ended.
type ending struct {
	item *item
	kind endKind
	err  error
}

type endKind int

const (
	endFinal      endKind = iota // the record has its end
	endHeld                      // the record doesn't let it start yet
	endImpossible                // the record will never let it start
	endParked                    // a host says nothing
	endLost                      // we are not the ones to decide any more
)

// carryOut starts an operation in the record, runs it, and commits its end. It runs in a goroutine of
// its own.
func (c *Controller) carryOut(ctx context.Context, it *item, epoch uint64) ending {
	op, end := c.claimOperation(ctx, it, epoch)
	if op == nil {
		return end
	}
	resumed := it.resumed
	for {
		outcome := c.runOnce(ctx, op, resumed)
		kind, again, err := c.conclude(ctx, op, outcome)
		if !again {
			return ending{it, kind, err}
		}
		next, ok := c.rec.State().Operations.Get(op.ID)
		if !ok {
			return ending{it, endFinal, nil}
		}
		op, resumed = next, false
	}
}

// claimOperation makes the operation this epoch's.
func (c *Controller) claimOperation(ctx context.Context, it *item, epoch uint64) (*state.Operation, ending) {
	op, ok := c.rec.State().Operations.Get(it.op.ID)
	if !ok || op.Phase.Final() {
		return nil, ending{it, endFinal, nil}
	}
	if op.Phase != state.Pending && op.Epoch == epoch {
		return op, ending{}
	}
	result, err := c.rec.Propose(ctx, state.Command{Start: &state.Start{Operation: op.ID, Epoch: epoch}})
	if actBeforeCommit && (err != nil || result.Refused != nil) {
		begun := *op
		begun.Phase, begun.Epoch = state.RunningOp, epoch
		return &begun, ending{}
	}
	if err != nil {
		return nil, ending{it, endLost, err}
	}
	if r := result.Refused; r != nil {
		return nil, ending{it, refusedKind(c.rec.State(), op.ID, r), r}
	}
	op, ok = c.rec.State().Operations.Get(op.ID)
	if !ok || op.Epoch != epoch {
		return nil, ending{it, endLost, fmt.Errorf("operation %s was taken over", it.op.ID)}
	}
	return op, ending{}
}

// refusedKind says what a refused start means.
func refusedKind(st state.State, id string, r *state.Refusal) endKind {
	switch r.Code {
	case state.NotReady, state.NoCapacity, state.GroupPolicy, state.LimitReached:
		return endHeld
	case state.WrongEpoch:
		return endLost
	}
	if op, ok := st.Operations.Get(id); ok && op.Phase == state.Pending {
		return endImpossible
	}
	return endFinal
}

// runOnce runs the operation on the hosts that it has now, or undoes it when it is revoking.
func (c *Controller) runOnce(ctx context.Context, op *state.Operation, resumed bool) operation.Outcome {
	job, err := operation.NewJob(c.world, *op, resumed, c.aborted)
	if err != nil {
		return operation.Outcome{End: operation.Undone, Err: err}
	}
	if op.Phase == state.Revoking {
		return job.Revoke(ctx, errors.New(op.Error))
	}
	return job.Run(ctx)
}

// conclude commits what became of a run. again is true when it is to run once more, elsewhere.
func (c *Controller) conclude(ctx context.Context, op *state.Operation, o operation.Outcome) (kind endKind, again bool, err error) {
	log := c.log.With("request", op.Request, "operation", op.ID, "action", string(op.Action), "instance", string(op.Instance),
		"from", string(op.From), "to", string(op.To))
	var command state.Command
	switch o.End {
	case operation.Complete:
		log.Info("operation done")
		if op.Phase == state.Revoking { // a migration that arrived while it was to be undone
			return c.revokedButMoved(ctx, op, o)
		}
		command.Finish = &state.Finish{Operation: op.ID, Epoch: op.Epoch, Build: o.Build}
	case operation.Undone:
		log.Warn("operation failed", "error", o.Err)
		if op.Phase == state.Revoking {
			command.Revoke = &state.Revoke{Operation: op.ID, Epoch: op.Epoch, Done: true, Reason: o.Err.Error()}
			break
		}
		if o.Elsewhere && c.retarget(ctx, op, o.Err) {
			return 0, true, nil
		}
		command.Finish = &state.Finish{Operation: op.ID, Epoch: op.Epoch, Error: o.Err.Error()}
	case operation.Parked:
		log.Warn("operation waits", "error", o.Err)
		return endParked, false, errors.Join(o.Err, c.setAside(ctx, op, o))
	default:
		return endLost, false, o.Err
	}
	if err := c.thaw(ctx, op); err != nil {
		return endLost, false, err
	}
	if err := c.commit(ctx, command); err != nil {
		return endLost, false, err
	}
	return endFinal, false, o.Err
}

// revokedButMoved ends a migration that was to be undone and could not be, because the guest has
// arrived: the operation is revoked, and the instance is recorded where it is.
func (c *Controller) revokedButMoved(ctx context.Context, op *state.Operation, o operation.Outcome) (endKind, bool, error) {
	moved := *o.Moved
	moved.Phase, moved.Why = state.Active, "" // where it is was read back
	err := c.commitAll(ctx, []state.Command{
		{Revoke: &state.Revoke{Operation: op.ID, Epoch: op.Epoch, Done: true, Reason: op.Error + "; it is on " + string(moved.Host) + " already"}},
		{Restore: &state.Restore{Instances: []state.Instance{moved}, By: "recovery"}},
	})
	if err != nil {
		return endLost, false, err
	}
	return endFinal, false, nil
}

// retarget sends a failed create or migration to the next-best host, if there is one.
func (c *Controller) retarget(ctx context.Context, op *state.Operation, cause error) bool {
	if op.Action != state.Create && op.Action != state.Migrate || len(op.Tried)+1 >= c.opts.Attempts || c.isHalted() {
		return false
	}
	seen, err := c.lastLook(ctx)
	if err != nil {
		return false
	}
	tried := *op
	for range c.opts.Attempts {
		to, _ := planner.NextHost(c.rec.State(), seen, time.Now().UTC(), &tried)
		if to == "" {
			return false
		}
		err := c.commit(ctx, state.Command{Retarget: &state.Retarget{Operation: op.ID, Epoch: op.Epoch, To: to, Error: cause.Error()}})
		if err == nil {
			c.log.Info("trying another host", "request", op.Request, "operation", op.ID, "host", string(to))
			return true
		}
		if refusalOf(err) == nil {
			return false
		}
		tried.Tried = append(tried.Tried[:len(tried.Tried):len(tried.Tried)], to) // no room there any more
	}
	return false
}

// lastLook returns the last observation, a new one when there is none.
func (c *Controller) lastLook(ctx context.Context) (*planner.Observed, error) {
	if seen := c.lastSeen(); seen != nil {
		return seen, nil
	}
	return c.Observe(ctx, nil)
}

// setAside records that an operation can't go on: its instance is frozen when it can't be known where
// it is, and what could not be undone stays revoking.
func (c *Controller) setAside(ctx context.Context, op *state.Operation, o operation.Outcome) error {
	st := c.rec.State()
	if inst, ok := st.Instances.Get(string(op.Instance)); ok && o.Frozen && (inst.Phase != state.Frozen || inst.Why != o.Err.Error()) {
		if err := c.commit(ctx, state.Command{Freeze: &state.Freeze{Instance: op.Instance, Why: o.Err.Error()}}); err != nil {
			return err
		}
	}
	if !o.Revoking || op.Phase == state.Revoking {
		return nil
	}
	return c.commit(ctx, state.Command{Revoke: &state.Revoke{Operation: op.ID, Epoch: op.Epoch, Reason: o.Err.Error()}})
}

// thaw ends the freeze of an instance whose operation has come to an end that was read back.
func (c *Controller) thaw(ctx context.Context, op *state.Operation) error {
	inst, ok := c.rec.State().Instances.Get(string(op.Instance))
	if !ok || inst.Phase != state.Frozen {
		return nil
	}
	return c.commit(ctx, state.Command{Freeze: &state.Freeze{Instance: op.Instance, Thaw: true}})
}
