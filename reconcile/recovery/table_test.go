package recovery

import (
	"testing"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/operation"
)

// TestEveryCell asks every pair of sightings, of both kinds, and checks what must hold of the answer
// whatever the table says in detail.
func TestEveryCell(t *testing.T) {
	for _, kind := range []state.Kind{state.Live, state.Cold} {
		for _, source := range ends {
			for _, dest := range ends {
				checkCell(t, kind, source, dest, Judge(kind, source, dest))
			}
		}
	}
}

func checkCell(t *testing.T, kind state.Kind, source, dest operation.Sighting, verdict operation.Verdict) {
	t.Helper()
	is := func(s operation.Sighting, any ...operation.Sighting) bool {
		for _, a := range any {
			if s == a {
				return true
			}
		}
		return false
	}
	bad := func(why string) {
		t.Errorf("%s, source %s, destination %s: %s, but %s", kind, source, dest, verdict, why)
	}
	acts := verdict != freeze && verdict != wait
	switch {
	case verdict == "":
		bad("the table has a hole")
	case acts && is(source, unread, strange), acts && is(dest, unread, strange):
		bad("an end is not known")
	case source == on && dest == on && verdict != freeze:
		bad("it runs twice")
	case verdict == proceed && is(dest, arriving, leaving, halted):
		bad("something is under way")
	case verdict == undo && is(dest, on):
		bad("that would stop the guest")
	case verdict == undo && source == gone:
		bad("nothing is left to go back to")
	case verdict == arrived && is(dest, gone, arriving):
		bad("it isn't there")
	case verdict == arrived && is(source, on, leaving, halted):
		bad("the source still has it")
	case verdict == resumeS && source != halted, verdict == resumeD && dest != halted:
		bad("there is nothing to resume")
	case verdict == resumeD && is(source, on, halted, leaving):
		bad("the source may run it")
	case source == gone && dest == gone && verdict != freeze:
		bad("the guest is lost")
	}
}

// TestCells spells out the cells that decide about a guest.
func TestCells(t *testing.T) {
	for _, c := range []struct {
		kind         state.Kind
		source, dest operation.Sighting
		want         operation.Verdict
		why          string
	}{
		{state.Live, on, gone, proceed, "it never began, or was aborted"},
		{state.Live, on, off, proceed, "a definition was left behind"},
		{state.Live, leaving, arriving, wait, "its job is adopted"},
		{state.Live, leaving, unread, wait, "the source knows when it ends"},
		{state.Live, gone, on, arrived, "it moved while nobody looked"},
		{state.Live, gone, off, arrived, "it moved and then went off"},
		{state.Live, off, on, arrived, "the source kept its definition"},
		{state.Live, off, gone, undo, "it went off before it moved"},
		{state.Live, on, on, freeze, "it seems to run twice"},
		{state.Live, halted, gone, resumeS, "the migration died half-way"},
		{state.Live, halted, halted, resumeS, "the source has all of its memory"},
		{state.Live, gone, halted, resumeD, "only the destination has it"},
		{state.Live, halted, on, wait, "the source is about to go"},
		{state.Live, unread, on, freeze, "the source may run it too"},
		{state.Live, on, unread, freeze, "the destination may run it too"},
		{state.Live, gone, gone, freeze, "it is lost"},
		{state.Cold, off, gone, proceed, "nothing happened yet"},
		{state.Cold, off, off, proceed, "it was defined there"},
		{state.Cold, gone, off, proceed, "the source is left, the rest is to do"},
		{state.Cold, gone, on, proceed, "it was started there"},
		{state.Cold, on, gone, proceed, "it is to be switched off first"},
		{state.Cold, on, on, freeze, "it runs twice"},
		{state.Cold, off, unread, freeze, "it can't be known"},
		{state.Cold, leaving, arriving, freeze, "somebody migrates it live"},
	} {
		if got := Judge(c.kind, c.source, c.dest); got != c.want {
			t.Errorf("%s, source %s, destination %s: %s, want %s: %s", c.kind, c.source, c.dest, got, c.want, c.why)
		}
	}
}
