package operation

import (
	"context"
	"fmt"

	"github.com/novaplan/novaplan/cluster/state"
)

// Step is one idempotent part of an operation.
type Step struct {
	Name string
	Does string // one sentence, for people
	// Is reports whether the step's effect is there already. nil: ask the record if the step is
	// Committed, else do it again.
	Is func(context.Context, *Job) (bool, error)
	// Do makes it so.
	Do func(context.Context, *Job) error
	// Undo takes it back and reads back that it is gone. It must succeed when there is nothing to take
	// back. nil: nothing to undo.
	Undo func(context.Context, *Job) error
	// Committed steps are recorded before the next one begins.
	Committed bool
	// Final steps are the point of no return: once done, the operation is finished, never undone.
	Final bool
}

// Sequence is the steps of one action, in order.
type Sequence struct {
	Action state.Action
	Kind   state.Kind // of a migration
	Steps  []Step
}

// Steps returns every sequence there is. Documentation and tests read it.
func Steps() []Sequence {
	return []Sequence{
		{Action: state.Create, Steps: createSteps()},
		{Action: state.Terminate, Steps: terminateSteps()},
		{Action: state.Migrate, Kind: state.Live, Steps: liveSteps()},
		{Action: state.Migrate, Kind: state.Cold, Steps: coldSteps()},
		{Action: state.StartUp, Steps: startSteps()},
		{Action: state.Stop, Steps: stopSteps()},
		{Action: state.Pause, Steps: pauseSteps()},
		{Action: state.Resume, Steps: resumeSteps()},
		{Action: state.Suspend, Steps: suspendSteps()},
		{Action: state.Redefine, Steps: redefineSteps()},
		{Action: state.Rebuild, Steps: restoreSteps()},
		{Action: state.ClaimHost, Steps: claimSteps()},
		{Action: state.Unclaim, Steps: unclaimSteps()},
		{Action: state.Forget, Steps: forgetSteps()},
	}
}

// sequence returns the steps of op.
func sequence(op state.Operation) (Sequence, error) {
	for _, s := range Steps() {
		if s.Action == op.Action && s.Kind == op.Kind {
			return s, nil
		}
	}
	return Sequence{}, fmt.Errorf("%w: no way to %s %s is known", ErrInvalid, op.Kind, op.Action)
}
