package api

import (
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
)

// applying is held while an apply is followed, and knows since when.
type applying struct {
	mu    sync.Mutex
	since time.Time // zero: none is
}

// begin reports false when an apply is followed already.
func (a *applying) begin(at time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.since.IsZero() {
		return false
	}
	a.since = at
	return true
}

func (a *applying) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.since = time.Time{}
}

func (a *applying) began() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.since
}

// goingThrough says what an instance goes through during an operation. It isn't what its domain does meanwhile: a
// guest that is being made is paused for a moment, and nobody paused it.
var goingThrough = map[state.Action]string{
	state.Create: "creating", state.Terminate: "terminating", state.Migrate: "migrating",
	state.StartUp: "starting", state.Stop: "stopping", state.Pause: "pausing", state.Resume: "resuming",
	state.Suspend: "suspending", state.Rebuild: "restoring",
}

// addActivity tells what is under way, when this controller is the one that does it.
func (h *Handler) addActivity(s *wire.Status, st state.State) {
	if h.Executor == nil {
		return
	}
	n := 0
	doing := map[string]string{}
	for _, o := range st.Operations.All() {
		if o.Phase != state.RunningOp && o.Phase != state.Revoking {
			continue
		}
		n++
		if word := goingThrough[o.Action]; word != "" {
			doing[string(o.Instance)] = word
		}
	}
	since := h.applying.began()
	if n == 0 && since.IsZero() {
		return
	}
	s.Activity = &wire.Activity{Command: h.Identity.Command, PID: h.Identity.PID, Since: since, Operations: n}
	for i := range s.Instances {
		if word := doing[s.Instances[i].Address]; word != "" {
			s.Instances[i].State = word
		}
	}
}
