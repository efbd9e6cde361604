package api

import (
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
)

// applying counts the applies that are followed, and knows since when there are some.
type applying struct {
	mu    sync.Mutex
	n     int
	since time.Time // zero: none is
}

// begin reports false when as many are followed as may be; most 0 is no limit.
func (a *applying) begin(at time.Time, most int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if most > 0 && a.n >= most {
		return false
	}
	if a.n == 0 {
		a.since = at
	}
	a.n++
	return true
}

func (a *applying) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n--
	if a.n == 0 {
		a.since = time.Time{}
	}
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
