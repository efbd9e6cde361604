package state

import (
	"testing"
	"time"
)

// TestIdleImages: an image is idle an age after it was last seen in use, and never while something is under way or
// a clock jump holds deletions back.
func TestIdleImages(t *testing.T) {
	m := served(t, 1, 0)
	image := CachedImage{Host: h0, Pool: Pool{Path: "/p"}, Volume: "np-image-1.qcow2", UsedAt: m.st.Time.Add(-time.Hour)}
	m.refused(Invalid, Command{NoteImages: &NoteImages{Used: []CachedImage{{Volume: "v"}}}})
	m.must(Command{NoteImages: &NoteImages{Used: []CachedImage{image}}})
	if n := len(m.st.IdleImages(time.Minute)); n != 0 {
		t.Errorf("%d idle, used just now", n)
	}
	later := m.st
	later.Time = later.Time.Add(time.Minute)
	if n := len(later.IdleImages(time.Minute)); n != 1 {
		t.Errorf("%d idle after a minute", n)
	}
	busy := later
	busy.Operations = busy.Operations.With("9-1", &Operation{ID: "9-1", Phase: Pending})
	jumped := later
	jumped.ClockJump = later.Time
	for what, st := range map[string]State{"an operation isn't finished": busy, "a clock jumped": jumped} {
		if n := len(st.IdleImages(time.Minute)); n != 0 {
			t.Errorf("%d idle, though %s", n, what)
		}
	}
	m.must(Command{NoteImages: &NoteImages{Gone: []string{image.Key(), "other"}}})
	if m.st.Images.Len() != 0 {
		t.Error("it is gone and still on record")
	}
}
