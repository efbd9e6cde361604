package reconcile

import (
	"errors"
	"testing"

	"github.com/novaplan/novaplan/cluster/state"
)

// quiet is a record in which nothing happens.
type quiet struct{ Record }

func (quiet) State() state.State { return state.State{} }

// A refusal that is heard of only after what caused it has ended is no reason to give up: six instances
// that are stopped one at a time would lose some on the way.
func TestLateRefusalIsTriedAgain(t *testing.T) {
	l := &loop{c: &Controller{rec: quiet{}}, queue: newQueue()}
	for _, id := range []string{"first", "second"} {
		l.queue.add(state.State{}, &state.Operation{ID: id, Block: "instance.web"})
	}
	first, second := l.queue.next(), l.queue.next()
	conclude := func(e ending) {
		t.Helper()
		if err := l.conclude(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	conclude(ending{first, endFinal, nil})
	conclude(ending{second, endHeld, errors.New("1 of instance.web is interrupted, the most is 1")})
	if !l.stall(t.Context()) || l.queue.next() != second {
		t.Fatal("the second is not tried again")
	}
	// Now it was tried with nothing under way: that is an answer.
	conclude(ending{second, endHeld, errors.New("the host is gone")})
	if !l.stalled {
		t.Error("what is refused with nothing under way would be tried for ever")
	}
}
