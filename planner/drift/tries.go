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

// Tries are how often a controller did the same in a row, without lasting success.
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

// Deed is what is done about an instance or host, and why.
type Deed struct {
	Subject spec.Address
	What    string // the reason, of drift; else the action
}

// DeedOf returns what an operation does.
func DeedOf(op *state.Operation) Deed {
	if KindOf(op.Reason.Code) == Unfinished {
		return Deed{op.Subject(), string(op.Action)}
	}
	return Deed{op.Subject(), op.Reason.Code}
}

// AllTries are the tries of each deed that didn't last, and what somebody withdrew.
type AllTries struct {
	deeds     map[Deed]Tries
	withdrawn map[spec.Address]bool
}

// Of returns the tries of an operation like op.
func (a AllTries) Of(op *state.Operation) Tries {
	t := a.deeds[DeedOf(op)]
	t.Withdrawn = KindOf(op.Reason.Code) == Unfinished && a.withdrawn[op.Subject()]
	return t
}

// About returns the tries to mend what was found.
func (a AllTries) About(f Finding) (most Tries) {
	for _, code := range codesOf(f.Kind) {
		if t := a.deeds[Deed{f.Address, code}]; t.N > most.N {
			most = t
		}
	}
	return most
}

// TriesOf reads from the record's operations how often each deed was done in vain. What counts is what failed, and
// what was mended though it went well: a guest that has to be started again and again crashes. Everything comes from
// the record, so a new leader is as patient as the one before.
func TriesOf(st state.State) AllTries {
	of := map[Deed][]*state.Operation{}
	last := map[spec.Address]*state.Operation{}
	for _, op := range st.Operations.All() {
		if !op.Phase.Final() {
			continue
		}
		if counts(op) || op.Phase == state.Done {
			of[DeedOf(op)] = append(of[DeedOf(op)], op)
		}
		if before := last[op.Subject()]; before == nil || state.CompareIDs(before.ID, op.ID) < 0 {
			last[op.Subject()] = op
		}
	}
	all := AllTries{deeds: map[Deed]Tries{}, withdrawn: map[spec.Address]bool{}}
	for deed, ops := range of {
		slices.SortFunc(ops, func(a, b *state.Operation) int { return state.CompareIDs(a.ID, b.ID) })
		if t := inRow(ops); t.N > 0 {
			all.deeds[deed] = t
		}
	}
	for subject, op := range last {
		if withdrawn(st, op) {
			all.withdrawn[subject] = true
		}
	}
	return all
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
func inRow(ops []*state.Operation) Tries {
	var t Tries
	for _, op := range ops {
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
