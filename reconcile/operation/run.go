package operation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// End is how a run of an operation ended.
type End string

// The ends of a run.
const (
	Complete End = "complete" // every step is done
	Undone   End = "undone"   // it failed, and nothing of it is left on any host
	Parked   End = "parked"   // a host does not say what is there: the operation goes on when it does
	Lost     End = "lost"     // this process is no longer the one to decide
)

// Outcome is what a run came to. Nothing of it is committed yet but steps.
type Outcome struct {
	End   End
	Err   error           // why it is not complete
	Build *state.Instance // of a complete one: the instance's record afterwards, nil when it has none
	// Moved is, of a complete migration, the instance's record at its destination.
	Moved *state.Instance
	// Elsewhere: another host may do better.
	Elsewhere bool
	// Frozen: it can't be known where the guest is.
	Frozen bool
	// Revoking: it is to be undone, which is not done yet.
	Revoking bool
}

// Run goes through the operation's steps. It commits steps, never the operation's end: that is the
// caller's, who knows whether there is another host to try.
func (j *Job) Run(ctx context.Context) Outcome {
	seq, err := sequence(j.op)
	if err != nil {
		return Outcome{End: Undone, Err: err}
	}
	if cause := j.wasUndoing(); cause != nil {
		j.resumed = true
		o := j.undo(ctx, seq, seq.Steps, cause)
		o.Elsewhere = false // whether that would help isn't known any more
		return o
	}
	for i, step := range seq.Steps {
		if err := j.step(ctx, step); err != nil {
			return j.fail(ctx, seq, i+1, inStep(step.Name, err))
		}
	}
	return Outcome{End: Complete, Build: j.result()}
}

// inStep says in which step an error came up, unless it begins with that word itself: "image linux: ...".
func inStep(name string, err error) error {
	if strings.HasPrefix(err.Error(), name+" ") {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// result is the instance's record that a complete operation leaves; nil when the record itself knows.
// The generation of what is defined again was raised when the operation started.
func (j *Job) result() *state.Instance {
	switch j.op.Action {
	case state.Create, state.Redefine, state.Rebuild:
		return j.inst
	case state.Migrate:
		if len(j.tries()) == 0 {
			return nil
		}
		r := *j.inst // where it is and its generation are for the record to know
		r.Disks = j.disksThere()
		return &r
	case state.Terminate:
		r := *j.inst
		r.Disks = j.disks(hypervisor.DiskRoot, hypervisor.DiskEphemeral, hypervisor.DiskSwap)
		return &r
	}
	return nil
}

// Revoke undoes the operation, whatever was done of it, for an operation that is revoking.
func (j *Job) Revoke(ctx context.Context, why error) Outcome {
	seq, err := sequence(j.op)
	if err != nil {
		return Outcome{End: Undone, Err: err}
	}
	j.resumed = true
	return j.undo(ctx, seq, seq.Steps, why)
}

// step makes one step so, asking a silent host again until patience ends.
func (j *Job) step(ctx context.Context, s Step) error {
	j.report(planner.Progress{Step: s.Name})
	j.trace(s.Name, Before)
	err := j.patiently(ctx, func() error { return j.attempt(ctx, s) })
	if err != nil {
		return err
	}
	if s.Committed && !j.did(s.Name) && j.op.Phase != state.Revoking {
		if err := j.record(ctx, s.Name); err != nil {
			return err
		}
	}
	j.log.Debug("step done", "step", s.Name)
	j.trace(s.Name, After)
	return ctx.Err()
}

// attempt looks whether the step is so, and does it when not.
func (j *Job) attempt(ctx context.Context, s Step) error {
	if j.stopped() {
		return ErrAborted
	}
	clear(j.claims)
	if s.Is == nil && s.Committed && j.did(s.Name) {
		j.begun[s.Name] = true
		return nil
	}
	if s.Is != nil {
		is, err := s.Is(ctx, j)
		if err != nil {
			return err
		}
		if is {
			j.begun[s.Name] = true
			return nil
		}
	}
	if err := j.leads(); err != nil {
		return err
	}
	err := s.Do(ctx, j)
	if !errors.Is(err, ErrForeign) { // whatever else it says, something may have happened
		j.begun[s.Name] = true
	}
	return err
}

// patiently repeats f while hosts are silent.
func (j *Job) patiently(ctx context.Context, f func() error) error {
	const first, most = 200 * time.Millisecond, 5 * time.Second
	deadline := time.Now().Add(j.times.Patience)
	for pause := first; ; pause = min(2*pause, most) {
		err := f()
		if err == nil || ctx.Err() != nil || !silent(err) || errors.Is(err, ErrFrozen) || time.Now().After(deadline) {
			return err
		}
		j.log.Info("asking again", "error", err, "in", pause)
		if err := j.wait(ctx, pause); err != nil {
			return err
		}
	}
}

// record commits that a step is done, with what is known of the instance by now.
func (j *Job) record(ctx context.Context, step string) error {
	cmd := &state.Step{Operation: j.op.ID, Epoch: j.op.Epoch, Step: step}
	if j.op.Action == state.Create {
		cmd.Build = j.inst
	}
	if err := j.commit(ctx, state.Command{Step: cmd}); err != nil {
		return err
	}
	j.op.Steps = append(j.op.Steps[:len(j.op.Steps):len(j.op.Steps)], step)
	return nil
}

// fail decides what a failed step means for the operation, and undoes what can be undone.
func (j *Job) fail(ctx context.Context, seq Sequence, n int, cause error) Outcome {
	reached := seq.Steps[:n]
	if j.resumed { // who began it may have come further
		reached = seq.Steps
	}
	switch {
	case ctx.Err() != nil:
		return Outcome{End: Lost, Err: cause}
	case errors.Is(cause, ErrLost):
		return Outcome{End: Lost, Err: cause}
	case errors.Is(cause, ErrFrozen), errors.Is(cause, ErrAhead):
		return Outcome{End: Parked, Err: cause, Frozen: true, Revoking: j.strayed(ctx) != nil}
	case j.pastReturn(reached):
		return Outcome{End: Parked, Err: cause}
	case !undoable(reached) && silent(cause) && j.touched(reached):
		return Outcome{End: Parked, Err: cause}
	}
	if placeBeforeRevoke && j.op.Action == state.Create && elsewhere(cause) {
		return Outcome{End: Undone, Err: cause, Elsewhere: true}
	}
	return j.undo(ctx, seq, reached, cause)
}

// undoingStep begins the step that is committed before a create is undone; the cause follows.
const undoingStep = "undoing: "

// noteUndoing commits that a create is being undone. Whoever goes on with it must not go forward: its disks would
// have the names of those that are being deleted, and a late deletion would meet them.
func (j *Job) noteUndoing(ctx context.Context, cause error) error {
	if j.op.Action != state.Create || j.op.Phase == state.Revoking || j.wasUndoing() != nil {
		return nil
	}
	return j.record(ctx, undoingStep+cause.Error())
}

// wasUndoing returns why a create was being undone when its last run ended, nil when it wasn't.
func (j *Job) wasUndoing() error {
	for _, step := range j.op.Steps {
		if cause, ok := strings.CutPrefix(step, undoingStep); ok {
			return errors.New(cause)
		}
	}
	return nil
}

// undo takes back the steps that were reached, last first.
func (j *Job) undo(ctx context.Context, seq Sequence, reached []Step, cause error) Outcome {
	j.log.Warn("undoing", "cause", cause)
	if err := j.noteUndoing(ctx, cause); err != nil {
		return Outcome{End: Lost, Err: errors.Join(cause, err)}
	}
	calm := *j // an abort asks for exactly this, so it doesn't interrupt it
	calm.aborted = nil
	for i := len(reached) - 1; i >= 0; i-- {
		s := reached[i]
		if s.Undo == nil || !j.resumed && !j.begun[s.Name] {
			continue
		}
		j.report(planner.Progress{Step: "undoing " + s.Name, Message: cause.Error()})
		j.trace("undo "+s.Name, Before)
		err := calm.patiently(ctx, func() error { clear(calm.claims); return s.Undo(ctx, &calm) })
		if errors.Is(err, errArrived) {
			return calm.forward(ctx, seq)
		}
		if trustDeadline && silent(err) {
			err = nil
		}
		if errors.Is(err, ErrFrozen) && j.op.Phase == state.Revoking {
			if moved := calm.strayed(ctx); moved != nil {
				return Outcome{End: Complete, Moved: moved}
			}
		}
		if err != nil {
			return j.notUndone(ctx, cause, fmt.Errorf("undoing %s: %w", s.Name, err))
		}
		j.trace("undo "+s.Name, After)
		if ctx.Err() != nil {
			return Outcome{End: Lost, Err: cause}
		}
	}
	return Outcome{End: Undone, Err: cause, Elsewhere: elsewhere(cause)}
}

// forward finishes a migration that was to be undone and has arrived all the same: moving back would
// be a migration of its own.
func (j *Job) forward(ctx context.Context, seq Sequence) Outcome {
	j.log.Warn("it has arrived already and is finished instead")
	for _, s := range seq.Steps {
		if err := j.step(ctx, s); err != nil {
			if ctx.Err() != nil || errors.Is(err, ErrLost) {
				return Outcome{End: Lost, Err: err}
			}
			return Outcome{End: Parked, Err: fmt.Errorf("%s: %w", s.Name, err), Frozen: true}
		}
	}
	moved := j.movedRecord()
	return Outcome{End: Complete, Build: j.result(), Moved: &moved}
}

func (j *Job) notUndone(ctx context.Context, cause, err error) Outcome {
	if ctx.Err() != nil || errors.Is(err, ErrLost) {
		return Outcome{End: Lost, Err: cause}
	}
	return Outcome{End: Parked, Err: fmt.Errorf("%w; %w", cause, err), Frozen: true, Revoking: true}
}

// pastReturn reports whether a final step is done.
func (j *Job) pastReturn(reached []Step) bool {
	for _, s := range reached {
		if s.Final && j.did(s.Name) {
			return true
		}
	}
	return false
}

// undoable reports whether any step that was reached can be undone.
func undoable(reached []Step) bool {
	for _, s := range reached {
		if s.Undo != nil {
			return true
		}
	}
	return false
}

// touched reports whether anything may have happened to a host.
func (j *Job) touched(reached []Step) bool {
	if j.resumed {
		return true
	}
	for _, s := range reached {
		if j.begun[s.Name] {
			return true
		}
	}
	return false
}

func (j *Job) trace(step string, when When) {
	if j.world.Trace != nil {
		j.world.Trace(j.op, step, when)
	}
}
