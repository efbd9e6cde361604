package watch

import (
	"context"
	"maps"
	"time"
)

// source hints that something may have happened.
type source interface {
	// events delivers a value for each hint; nil: there are none, polling is all.
	events() <-chan struct{}
	// follow watches for what happens to these paths, and nothing else.
	follow(in interest)
	close()
}

// eyes look at the folder and whatever is included.
type eyes interface {
	look(included []string) snapshot
	// glance returns what changes with any save, without reading a file.
	glance(included []string) string
	// busy names what has to end before the folder can be settled; "" for nothing.
	busy() string
	interest(included []string) interest
}

// noticeAfter is how long something that never takes long may be waited for without a word.
const noticeAfter = 5 * time.Second

// settler decides when a folder is settled, and whether that is news.
type settler struct {
	w      *Watcher
	source source
	eyes   eyes

	included []string
	first    time.Time // of the hints since the last look; zero: there were none
	last     time.Time
	waiting  time.Time // since when something is busy
	told     bool      // that it is
	git      bool      // something was busy since the last delivery

	shown  map[string]Sum // delivered last; nil: nothing was
	stamp  string         // the glance that belongs to shown
	looked string         // the last glance
	again  bool
	next   *Folder // to be delivered
	found  snapshot
}

func (s *settler) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	poll := time.NewTicker(s.w.opts.Poll)
	defer poll.Stop()
	for {
		var out chan Folder
		var folder Folder
		if s.next != nil {
			out, folder = s.w.out, *s.next
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.source.events():
			timer.Reset(s.hint())
		case <-timer.C:
			if wait := s.settle(); wait > 0 {
				timer.Reset(wait)
			}
		case <-poll.C:
			if s.first.IsZero() && s.eyes.glance(s.included) != s.looked {
				timer.Reset(s.hint())
			}
		case <-s.w.poke:
			if s.take() {
				timer.Reset(s.hint()) // not at once: somebody may be about to save
			}
		case out <- folder:
			s.delivered()
		}
	}
}

// hint notes that something happened, and returns how long to wait before looking.
func (s *settler) hint() time.Duration {
	s.last = time.Now()
	if s.first.IsZero() {
		s.first = s.last
	}
	return max(0, min(s.w.opts.Quiet, s.w.opts.AtMost-s.last.Sub(s.first)))
}

// settle looks, and returns how long to wait before looking again; 0 when there is no need to.
func (s *settler) settle() time.Duration {
	if s.held() {
		return s.w.opts.Quiet
	}
	s.source.follow(s.eyes.interest(s.included)) // before the look: what happens after it is noticed
	found := s.eyes.look(s.included)
	if s.held() || found.torn {
		return s.w.opts.Quiet
	}
	if s.hinted() {
		if wait := s.hint(); wait > 0 {
			return wait
		}
	}
	s.first, s.looked = time.Time{}, found.stamp
	s.decide(found)
	return 0
}

// held reports whether something is at work that leaves nothing whole before its end.
func (s *settler) held() bool {
	what := s.eyes.busy()
	if what == "" {
		s.waiting, s.told = time.Time{}, false
		return false
	}
	s.git = true
	if s.waiting.IsZero() {
		s.waiting = time.Now()
	}
	if !s.told && time.Since(s.waiting) >= noticeAfter {
		s.told = true
		s.w.opts.Notice(what)
	}
	return true
}

// hinted reports whether hints came in meanwhile.
func (s *settler) hinted() bool {
	any := false
	for {
		select {
		case <-s.source.events():
			any = true
		default:
			return any
		}
	}
}

// decide makes a Folder of what was found when it is news.
func (s *settler) decide(found snapshot) {
	saved := s.again && found.stamp != s.stamp
	if s.shown != nil && maps.Equal(found.sums, s.shown) && !saved {
		s.next = nil // whatever changed was taken back
		return
	}
	if s.last.IsZero() {
		s.last = time.Now()
	}
	s.found = found
	s.next = &Folder{Dir: s.w.dir, Files: found.files, Digest: digestOf(found.sums), Git: s.git, Changed: s.last}
}

// delivered notes what the consumer has got.
func (s *settler) delivered() {
	s.shown, s.stamp = s.found.sums, s.found.stamp
	s.next, s.git, s.again = nil, false, false
}

// take takes up what the consumer asked for, and reports whether that is worth a look.
func (s *settler) take() bool {
	included, again := s.w.asked()
	s.again = s.again || again
	if included == nil {
		return again
	}
	shown := maps.Clone(s.shown)
	for _, path := range s.included {
		delete(shown, path)
	}
	s.included = s.included[:0]
	for path, sum := range included {
		s.included = append(s.included, path)
		if shown != nil {
			shown[path] = sum
		}
	}
	s.shown = shown
	return true
}
