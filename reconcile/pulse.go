package reconcile

import "sync"

// pulse tells the loop that something is to be looked at, and everybody else what the loop has come
// to.
type pulse struct {
	kick chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	running bool          // the loop runs
	idle    bool          // nothing runs, and nothing can be started
	scanned uint64        // index of the state that the loop last looked through
}

func newPulse() *pulse { return &pulse{kick: make(chan struct{}, 1), changed: make(chan struct{})} }

// beat makes the loop look.
func (p *pulse) beat() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// standing is what the loop has come to.
type standing struct {
	running, idle bool
	scanned       uint64
}

// set publishes what the loop has come to.
func (p *pulse) set(s standing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running, p.idle, p.scanned = s.running, s.idle, s.scanned
	close(p.changed)
	p.changed = make(chan struct{})
}

// get returns what the loop has come to, and a channel that is closed when that changes.
func (p *pulse) get() (standing, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return standing{p.running, p.idle, p.scanned}, p.changed
}
