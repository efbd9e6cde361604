package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/novaplan/novaplan/cluster/state"
)

// Memory is the record without a folder: for tests, simulation and what-if. It has the methods of Node,
// leads from the start, in term 1, and encodes every command as a log would. It is safe for
// concurrent use.
type Memory struct {
	*record
	clock clock
	mu    sync.Mutex
	term  uint64
	index uint64
	lost  chan struct{}
	down  chan struct{}
	err   error
}

// NewMemory begins a record of its own.
func NewMemory(mode state.Mode) *Memory {
	m := MemoryOf(state.State{}, time.Now)
	_, err := m.Propose(context.Background(), state.Command{Bootstrap: &state.Bootstrap{
		ClusterID: uuid.NewString(), Fleet: "default", Mode: mode, Level: state.Level,
	}})
	if err != nil {
		panic(err) // a bootstrap can be encoded
	}
	return m
}

// MemoryOf goes on from a state, which may be a real one's: what is proposed here stays here.
func MemoryOf(st state.State, now func() time.Time) *Memory {
	return &Memory{
		record: newRecord(st), clock: clock{now: now},
		term: st.Term + 1, index: st.Index, lost: make(chan struct{}), down: make(chan struct{}),
	}
}

// Propose is Node's.
func (m *Memory) Propose(ctx context.Context, c state.Command) (state.Result, error) {
	results, err := m.ProposeAll(ctx, c)
	if err != nil {
		return state.Result{}, err
	}
	return results[0], nil
}

// ProposeAll is Node's.
func (m *Memory) ProposeAll(ctx context.Context, commands ...state.Command) ([]state.Result, error) {
	entries, err := m.clock.encode(commands)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	results := make([]state.Result, len(entries))
	for i, data := range entries {
		e, err := state.DecodeCommand(data)
		if err != nil {
			return nil, err
		}
		m.index++
		e.Index, e.Term = m.index, m.term
		st, result := state.Apply(m.State(), e)
		m.publish(st)
		results[i] = result
	}
	return results, nil
}

// Wait is Node's.
func (m *Memory) Wait(ctx context.Context, index uint64) error {
	return m.wait(ctx, index, m.down, m.Err)
}

// Leadership is Node's.
func (m *Memory) Leadership(context.Context) (term uint64, lost <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.term, m.lost, m.err
}

// Depose ends this leadership and begins the next, as if another member had led in between.
func (m *Memory) Depose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.lost)
	m.lost = make(chan struct{})
	m.term += 2
}

// Term is Node's.
func (m *Memory) Term() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.term
}

// Down is Node's.
func (m *Memory) Down() <-chan struct{} { return m.down }

// Err is Node's.
func (m *Memory) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Close is Node's.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = ErrClosed
		close(m.lost)
		close(m.down)
	}
	return nil
}
