package operation

import (
	"sync"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// stall notices a migration that gets nowhere: what remains to be copied hasn't been less than it ever
// was for a while. That is so when nothing moves, and when the guest writes faster than is copied.
type stall struct {
	mu     sync.Mutex
	lowest int64 // bytes remaining
	since  time.Time
}

func newStall() *stall { return &stall{lowest: -1, since: time.Now()} }

// see takes in how far the migration is.
func (s *stall) see(job hypervisor.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lowest < 0 || job.BytesRemaining < s.lowest {
		s.lowest, s.since = job.BytesRemaining, time.Now()
	}
}

// longerThan reports whether there was no progress for d.
func (s *stall) longerThan(d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.since) >= d
}
