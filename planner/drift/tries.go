package drift

import (
	"slices"
	"strings"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// How often the same is tried. The first time is at once, then each wait is twice the one before.
const (
	FirstWait   = time.Minute
	LongestWait = time.Hour
	// Calm is how much longer than the wait everything must have been well for the next time to be a first one.
	Calm = 10 * time.Minute
	// Loop is how many tries in a row are called a loop.
	Loop = 3
)

// Tries are what a controller did about one instance or host in a row, without lasting success.
type Tries struct {
	N    int       // in a row
	Last time.Time // when the last one ended
	Next time.Time // before which it isn't tried again
	// Withdrawn: somebody cancelled the last operation on it. It is left alone until something is approved for it again.
	Withdrawn bool
}

// Waits reports whether it is too early for the next try.
func (t Tries) Waits(now time.Time) bool { return t.Withdrawn || now.Before(t.Next) }

// Looping reports whether it was tried so often that trying isn't going to mend it.
func (t Tries) Looping() bool { return t.N >= Loop }

// wait is how long to wait after the n-th try in a row.
func wait(n int) time.Duration {
	if n < 1 {
		return 0
	}
	return min(FirstWait<<min(n-1, 16), LongestWait)
}

// TriesOf reads from the record's operations how often each instance or host was mended in vain. What
// counts is what failed, and what was mended though it went well: a guest that has to be started again and
// again crashes. Everything comes from the record, so a new leader is as patient as the one before.
func TriesOf(st state.State) map[spec.Address]Tries {
	of := map[spec.Address][]*state.Operation{}
	for _, op := range st.Operations.All() {
		if op.Phase.Final() && (counts(op) || op.Phase == state.Cancelled || op.Phase == state.Done) {
			of[op.Subject()] = append(of[op.Subject()], op)
		}
	}
	tries := map[spec.Address]Tries{}
	for subject, ops := range of {
		slices.SortFunc(ops, func(a, b *state.Operation) int { return state.CompareIDs(a.ID, b.ID) })
		if t := inRow(st, ops); t.N > 0 || t.Withdrawn {
			tries[subject] = t
		}
	}
	return tries
}

// counts reports whether an operation was a try.
func counts(op *state.Operation) bool {
	switch op.Phase {
	case state.Failed, state.Revoked:
		return true
	case state.Done:
		return KindOf(op.Reason.Code) != Unfinished
	case state.Cancelled:
		return strings.HasPrefix(op.Error, unstartable)
	}
	return false
}

// The reasons for which operations are cancelled begin with these words: by somebody, or by a controller that
// could not start them. Others were cancelled because of what they came after, or replaced.
const (
	byHand      = "cancelled"
	unstartable = "it can't be started"
)

// withdrawn reports whether somebody cancelled an operation, or one that it came after.
func withdrawn(st state.State, op *state.Operation) bool {
	if op.Phase != state.Cancelled {
		return false
	}
	if strings.HasPrefix(op.Error, byHand) {
		return true
	}
	return slices.ContainsFunc(op.After, func(id string) bool { // an order of operations has no circle
		before, ok := st.Operations.Get(id)
		return ok && withdrawn(st, before)
	})
}

// inRow counts the tries at the end of ops, oldest first.
func inRow(st state.State, ops []*state.Operation) Tries {
	var t Tries
	for _, op := range ops {
		t.Withdrawn = withdrawn(st, op)
		if !counts(op) {
			if op.Phase == state.Done {
				t.N = 0 // something else was done to it: its story begins anew
			}
			continue
		}
		if t.N > 0 && op.Approved.After(t.Next.Add(Calm)) {
			t.N = 0
		}
		t.N++
		t.Last = op.Ended
		t.Next = op.Ended.Add(wait(t.N))
	}
	if t.N == 0 {
		t.Last, t.Next = time.Time{}, time.Time{}
	}
	return t
}
