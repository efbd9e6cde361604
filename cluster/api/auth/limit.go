package auth

import (
	"sync"
	"time"
)

// Buckets limit how often each of many may do something: Burst at once, and one more every Every. The oldest are
// forgotten when there are more than Most. It is safe for concurrent use.
type Buckets struct {
	Burst int
	Every time.Duration
	Most  int              // buckets kept; 0: 10,000
	Now   func() time.Time // nil: time.Now

	mu   sync.Mutex
	full map[string]time.Time // when each bucket is full again
}

// defaultBuckets is how many callers are told apart.
const defaultBuckets = 10_000

// Take takes one from the bucket of key. When there is none it returns how long it takes until there is.
func (b *Buckets) Take(key string) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	full, missing := b.look(key, now)
	if missing > 0 {
		return missing, false
	}
	b.put(key, full.Add(b.Every), now)
	return 0, true
}

// Empty reports whether Take would refuse, and takes nothing.
func (b *Buckets) Empty(key string) (wait time.Duration, empty bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, missing := b.look(key, b.now())
	return missing, missing > 0
}

// look returns when the bucket of key is full again, and how long it takes until there is one in it.
func (b *Buckets) look(key string, now time.Time) (full time.Time, missing time.Duration) {
	full = b.full[key]
	if full.Before(now) {
		full = now
	}
	return full, max(0, full.Sub(now)-time.Duration(b.Burst-1)*b.Every)
}

func (b *Buckets) put(key string, full, now time.Time) {
	most := b.Most
	if most == 0 {
		most = defaultBuckets
	}
	if b.full == nil {
		b.full = map[string]time.Time{}
	}
	if _, known := b.full[key]; !known && len(b.full) >= most {
		b.sweep(now)
	}
	b.full[key] = full
}

// sweep forgets buckets that are full, and the fullest one when none is.
func (b *Buckets) sweep(now time.Time) {
	fullest, at := "", time.Time{}
	for key, full := range b.full {
		if !full.After(now) {
			delete(b.full, key)
		} else if at.IsZero() || full.Before(at) {
			fullest, at = key, full
		}
	}
	most := b.Most
	if most == 0 {
		most = defaultBuckets
	}
	if len(b.full) >= most {
		delete(b.full, fullest)
	}
}

func (b *Buckets) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}
