package reconcile

import (
	"context"

	"github.com/novaplan/novaplan/cluster/state"
)

// ReadOnly is the record at one state: looking and planning work on it, nothing can be written.
type ReadOnly struct{ At state.State }

var _ Record = ReadOnly{}

// State returns the state.
func (r ReadOnly) State() state.State { return r.At }

// Propose is ErrReadOnly.
func (ReadOnly) Propose(context.Context, state.Command) (state.Result, error) {
	return state.Result{}, ErrReadOnly
}

// ProposeAll is ErrReadOnly.
func (ReadOnly) ProposeAll(context.Context, ...state.Command) ([]state.Result, error) {
	return nil, ErrReadOnly
}

// Changes never happen.
func (ReadOnly) Changes() <-chan struct{} { return nil }

// Term is 0: nobody leads here.
func (ReadOnly) Term() uint64 { return 0 }
