package state

import "iter"

// OldestEvent returns the number of the oldest event that is kept, the next one's when there is none.
func (st State) OldestEvent() uint64 {
	if st.History.Len() == 0 {
		return st.LastEvent + 1
	}
	_, e := st.History.first()
	return e.Seq
}

// EventsAfter yields the kept events with a higher number than seq, in order.
func (st State) EventsAfter(seq uint64) iter.Seq[*Event] {
	return func(yield func(*Event) bool) {
		for _, e := range st.History.from(eventKey(seq + 1)) {
			if !yield(e) {
				return
			}
		}
	}
}
