package cluster

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/novaplan/novaplan/cluster/state"
)

// record holds the newest State and tells who waits when there is a newer one.
type record struct {
	current atomic.Pointer[state.State]
	mu      sync.Mutex
	changed chan struct{} // nil while nobody waits
}

func newRecord(st state.State) *record {
	r := new(record)
	r.current.Store(&st)
	return r
}

// State returns the newest version of the record.
func (r *record) State() state.State { return *r.current.Load() }

// Changes returns a channel that is closed when the record is newer than it was during this call. A record
// that changes often wakes who is waiting once, not with every change: ask again when you are done.
func (r *record) Changes() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed
}

func (r *record) publish(st state.State) {
	r.current.Store(&st)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// machine is raft's view of the record. Once an entry can't be applied it applies no further one.
type machine struct {
	*record
	paced  bool        // snapshots are written at half speed
	halt   func(error) // called once, with what stopped it
	halted error
}

// Apply carries out one committed entry. It returns a state.Result, or the error that halted it.
func (m *machine) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch carries out committed entries and makes the last version known: who watches the record wakes once.
func (m *machine) ApplyBatch(logs []*raft.Log) []any {
	answers := make([]any, len(logs))
	st, changed := m.State(), false
	for i, l := range logs {
		if l.Type != raft.LogCommand || l.Index <= st.Index { // what was committed is in the record from the start
			continue
		}
		next, answer := m.apply(st, l)
		changed = changed || m.halted == nil
		st, answers[i] = next, answer
	}
	if changed {
		m.publish(st)
	}
	return answers
}

func (m *machine) apply(st state.State, l *raft.Log) (state.State, any) {
	if m.halted != nil {
		return st, m.halted
	}
	e, err := state.DecodeCommand(l.Data)
	if err != nil {
		m.halted = fmt.Errorf("entry %d: %w", l.Index, err)
		m.halt(m.halted)
		return st, m.halted
	}
	e.Index, e.Term = l.Index, l.Term
	next, result := state.Apply(st, e)
	return next, result
}

// Snapshot takes the newest version; it is immutable, so writing it out delays nobody.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	if m.halted != nil {
		return nil, m.halted
	}
	return version{State: m.State(), paced: m.paced}, nil
}

// Restore begins again from a snapshot.
func (m *machine) Restore(r io.ReadCloser) error {
	defer r.Close()
	st, err := state.Restored(r)
	if err != nil {
		return err
	}
	m.publish(st)
	return nil
}

// version is one State to be written out.
type version struct {
	state.State
	paced bool
}

// Persist writes the snapshot.
func (v version) Persist(sink raft.SnapshotSink) error {
	var w io.Writer = sink
	if v.paced {
		w = &pacer{w: sink, since: time.Now()}
	}
	if err := state.Snapshot(v.State, w); err != nil {
		return fmt.Errorf("%w (%v)", err, sink.Cancel())
	}
	return sink.Close()
}

// pacer rests as long as it took to come up with what is written. A large record takes seconds to encode: on
// a small machine heartbeats need the other half.
type pacer struct {
	w     io.Writer
	since time.Time
}

const maxRest = 50 * time.Millisecond

// Write writes p, then rests.
func (p *pacer) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	time.Sleep(min(time.Since(p.since), maxRest))
	p.since = time.Now()
	return n, err
}

// Release has nothing to let go.
func (v version) Release() {}
