package state

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/novaplan/novaplan/spec"
)

// What the record keeps of the past.
const (
	MaxRevisions  = 100
	maxEventsMain = 1000           // at LevelMain
	maxEvents     = 10_000         // from LevelServed on: followers resume from it
	keepFinished  = 24 * time.Hour // finished operations, looked at by the next Approve
	jumpHoldsBack = 24 * time.Hour // purges, after a clock jump
)

// Apply returns the state after one committed entry, and what became of its command. A refused
// command changes nothing but Index, Term and Time. Apply never fails: what it can't understand
// DecodeCommand refuses before.
func Apply(st State, e Entry) (State, Result) {
	before := st
	before.advance(e)
	t := transition{State: before, entry: e}
	refused := t.run(e.Command)
	if refused != nil {
		return before, Result{Index: e.Index, Refused: refused}
	}
	return t.State, Result{Index: e.Index, First: t.first}
}

// advance moves the replicated clock and notes jumps of the proposers' clocks.
func (st *State) advance(e Entry) {
	st.Index, st.Term = e.Index, e.Term
	at := e.At.UTC().Round(0)
	back := !st.Time.IsZero() && at.Before(st.Time.Add(-MaxClockJump))
	if at.After(st.Time) {
		st.Time = at
	}
	if (e.ClockStepped || back) && !st.ClockJump.Equal(st.Time) {
		st.ClockJump = st.Time
		t := transition{State: *st, entry: e}
		t.event(Event{Kind: "clock", Message: fmt.Sprintf("a clock jumped by more than %s; nothing in the trash is deleted for %s", MaxClockJump, jumpHoldsBack)})
		*st = t.State
	}
}

// transition is one command being carried out on a private copy of the State.
type transition struct {
	State
	entry Entry
	bulk  *bulk    // while everything is indexed afresh
	first *Request // the command took effect before
}

func (t *transition) run(c Command) *Refusal {
	if t.Level == 0 && c.Bootstrap == nil {
		return refuse(Invalid, "the record was not bootstrapped")
	}
	switch {
	case c.Bootstrap != nil:
		return t.bootstrap(c.Bootstrap)
	case c.PutChunk != nil:
		return t.putChunk(c.PutChunk)
	case c.Approve != nil:
		return t.approve(c.Approve)
	case c.SetInventory != nil:
		return t.setInventory(c.SetInventory)
	case c.Start != nil:
		return t.start(c.Start)
	case c.Step != nil:
		return t.step(c.Step)
	case c.Finish != nil:
		return t.finish(c.Finish)
	case c.Retarget != nil:
		return t.retarget(c.Retarget)
	case c.Cancel != nil:
		return t.cancel(c.Cancel)
	case c.Revoke != nil:
		return t.revoke(c.Revoke)
	case c.Freeze != nil:
		return t.freeze(c.Freeze)
	case c.Purge != nil:
		return t.purge(c.Purge)
	case c.Restore != nil:
		return t.restore(c.Restore)
	case c.Survey != nil:
		return t.survey(c.Survey)
	case c.NoteImages != nil:
		return t.noteImages(c.NoteImages)
	case c.RaiseLevel != nil:
		return t.raiseLevel(c.RaiseLevel)
	case c.CreateToken != nil:
		return t.createToken(c.CreateToken)
	case c.RevokeToken != nil:
		return t.revokeToken(c.RevokeToken)
	case c.SubmitPlan != nil:
		return t.submitPlan(c.SubmitPlan)
	case c.DropPlan != nil:
		return t.dropPlan(c.DropPlan)
	case c.SetSettings != nil:
		return t.setSettings(c.SetSettings)
	case c.Note != nil:
		return t.note(c.Note)
	}
	return refuse(Invalid, "an empty command")
}

func (t *transition) bootstrap(c *Bootstrap) *Refusal {
	if t.Level != 0 {
		return refuse(WrongPhase, "the record was bootstrapped before")
	}
	if _, err := uuid.Parse(c.ClusterID); err != nil {
		return refuse(Invalid, "cluster id %q is not a UUID", c.ClusterID)
	}
	if c.Mode != Real && c.Mode != Sim || c.Level == 0 {
		return refuse(Invalid, "mode %q, level %d", c.Mode, c.Level)
	}
	t.Level, t.Mode, t.ClusterID, t.Fleet = c.Level, c.Mode, c.ClusterID, c.Fleet
	t.event(Event{Kind: "record", Message: "the record begins"})
	return nil
}

func (t *transition) raiseLevel(c *RaiseLevel) *Refusal {
	if c.Level <= t.Level {
		return refuse(Invalid, "level %d is in force, %d is not above it", t.Level, c.Level)
	}
	t.Level = c.Level
	t.event(Event{Kind: "record", Message: fmt.Sprintf("level %d", c.Level)})
	return nil
}

// event appends to the history, which forgets its oldest.
func (t *transition) event(e Event) {
	t.LastEvent++
	e.Seq, e.At, e.Index = t.LastEvent, t.Time, t.Index
	t.History = t.History.With(eventKey(e.Seq), &e)
	most := uint64(maxEvents)
	if t.Level < LevelServed {
		most = maxEventsMain
	}
	if e.Seq > most {
		t.History = t.History.Without(eventKey(e.Seq - most))
	}
}

func eventKey(seq uint64) string { return fmt.Sprintf("%020d", seq) }

// setInstance puts an instance into the record, in place of the one with its address.
func (t *transition) setInstance(next *Instance) {
	t.dropInstance(next.Address)
	t.Instances = t.Instances.With(string(next.Address), next)
	t.indexInstance(next, 1)
}

func (t *transition) dropInstance(address spec.Address) {
	old, ok := t.Instances.Get(string(address))
	if !ok {
		return
	}
	t.Instances = t.Instances.Without(string(address))
	t.indexInstance(old, -1)
}

// setOperation puts a changed operation into the record.
func (t *transition) setOperation(next *Operation) {
	if old, ok := t.Operations.Get(next.ID); ok {
		t.indexOperation(old, -1)
	}
	t.Operations = t.Operations.With(next.ID, next)
	t.indexOperation(next, 1)
}

// end moves an operation to a final phase. What depends on anything but success is withdrawn.
func (t *transition) end(op Operation, phase Phase, why string) {
	op.Phase, op.Error, op.Ended, op.Build = phase, why, t.Time, nil
	t.setOperation(&op)
	if phase != Done {
		t.cancelDependents(op.ID, phase)
	}
}

func refuse(code RefusalCode, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}
