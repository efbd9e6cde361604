package watch

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// desk is a folder in memory: what is on it, and the hints that changes make.
type desk struct {
	mu     sync.Mutex
	files  map[string]string
	hints  chan struct{}
	saves  int
	atWork string
	torn   bool
	looks  int
}

func newDesk() *desk { return &desk{files: map[string]string{}, hints: make(chan struct{}, 1)} }

func (d *desk) events() <-chan struct{} { return d.hints }
func (d *desk) follow(interest)         {}
func (d *desk) close()                  {}

func (d *desk) look(included []string) snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.looks++
	s := snapshot{files: map[string][]byte{}, sums: map[string]Sum{}, stamp: fmt.Sprint(d.saves), torn: d.torn}
	for name, content := range d.files {
		if !strings.HasPrefix(name, "/") {
			s.files[name], s.sums[name] = []byte(content), SumOf([]byte(content))
		}
	}
	for _, path := range included {
		s.sums[path] = SumOf([]byte(d.files[path]))
	}
	return s
}

func (d *desk) glance([]string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprint(d.saves)
}

func (d *desk) busy() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.atWork
}

// set changes what the desk is like.
func (d *desk) set(change func(d *desk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *desk) interest([]string) interest { return interest{} }

func (d *desk) hint() {
	select {
	case d.hints <- struct{}{}:
	default:
	}
}

// save writes a file and hints at it; write does it behind the kernel's back.
func (d *desk) save(name, content string) {
	d.write(name, content)
	d.hint()
}

func (d *desk) write(name, content string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[name] = content
	d.saves++
}

// script runs a watcher over a desk in virtual time. did returns what was delivered since, with the time that it
// took from the begin of the script.
type script struct {
	*desk
	*Watcher
	t     *testing.T
	began time.Time
}

func play(t *testing.T, opts Options, files is, act func(s *script)) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{desk: newDesk(), Watcher: New("/desk", opts), t: t, began: time.Now()}
		maps.Copy(s.files, files)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = (&settler{w: s.Watcher, source: s.desk, eyes: s.desk}).run(ctx) }()
		act(s)
		cancel()
		synctest.Wait()
	})
}

func (s *script) pass(d time.Duration) {
	s.t.Helper()
	time.Sleep(d)
	synctest.Wait()
}

// expect takes the next folder, which must come within limit, after exactly so long from the begin.
func (s *script) expect(at time.Duration, files map[string]string) Folder {
	s.t.Helper()
	select {
	case f := <-s.Folders():
		got := map[string]string{}
		for name, content := range f.Files {
			got[name] = string(content)
		}
		if diff := cmp.Diff(files, got); diff != "" {
			s.t.Error(diff)
		}
		if took := time.Since(s.began); took != at {
			s.t.Errorf("delivered after %v, want %v", took, at)
		}
		return f
	case <-time.After(time.Hour):
		s.t.Fatal("nothing was delivered")
		return Folder{}
	}
}

func (s *script) nothing(within time.Duration) {
	s.t.Helper()
	select {
	case f := <-s.Folders():
		s.t.Errorf("delivered %v after %v", f.Files, time.Since(s.began))
	case <-time.After(within):
	}
}

type is = map[string]string

const ms = time.Millisecond

func TestFirstLookIsDelivered(t *testing.T) {
	play(t, Options{}, nil, func(s *script) {
		s.expect(0, is{})
		s.nothing(time.Hour)
	})
}

func TestSaveIsDeliveredAfterQuiet(t *testing.T) {
	play(t, Options{}, nil, func(s *script) {
		s.expect(0, is{})
		s.pass(1000 * ms)
		s.save("a", "1")
		s.pass(150 * ms)
		s.save("b", "1")
		f := s.expect(1350*ms, is{"a": "1", "b": "1"})
		if want := s.began.Add(1150 * ms); !f.Changed.Equal(want) {
			t.Errorf("changed at %v, want %v", f.Changed, want)
		}
	})
}

// A writer that never pauses doesn't keep a change back for ever.
func TestWritingThatGoesOnIsCutOff(t *testing.T) {
	play(t, Options{AtMost: time.Second}, nil, func(s *script) {
		s.expect(0, is{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 20 {
				s.save("log", fmt.Sprint(i))
				time.Sleep(130 * ms)
			}
		}()
		s.expect(1000*ms, is{"log": "7"})
		<-done
		s.pass(time.Second)
		s.expect(3600*ms, is{"log": "19"})
	})
}

func TestTouchIsNoNews(t *testing.T) {
	play(t, Options{}, is{"a": "1"}, func(s *script) {
		s.expect(0, is{"a": "1"})
		s.save("a", "1")
		s.nothing(time.Minute)
		s.save("a", "2")
		s.pass(100 * ms)
		s.save("a", "1")
		s.nothing(time.Minute)
	})
}

// While the consumer is away, the newest wins, and what was taken back is no news.
func TestChangesAreMerged(t *testing.T) {
	play(t, Options{}, nil, func(s *script) {
		s.expect(0, is{})
		for i := range 5 {
			s.save("a", fmt.Sprint(i))
			s.pass(time.Second)
		}
		s.expect(5000*ms, is{"a": "4"})
		s.save("a", "5")
		s.pass(time.Second)
		s.save("a", "4")
		s.pass(time.Second)
		s.nothing(time.Minute)
	})
}

func TestLostNotificationIsMadeUpForByPolling(t *testing.T) {
	play(t, Options{Poll: 7 * time.Second}, nil, func(s *script) {
		s.expect(0, is{})
		s.pass(time.Second)
		s.write("a", "1")
		s.expect(7200*ms, is{"a": "1"})
	})
}

func TestGitIsWaitedFor(t *testing.T) {
	notices := make(chan string, 9)
	opts := Options{Notice: func(text string) { notices <- text }}
	play(t, opts, nil, func(s *script) {
		s.expect(0, is{})
		s.set(func(d *desk) { d.atWork = "git is at work" })
		for i := range 300 {
			s.save(fmt.Sprintf("f%d", i%3), fmt.Sprint(i))
			s.pass(10 * ms)
		}
		s.nothing(time.Second)
		if len(notices) > 0 {
			t.Errorf("a short wait made words: %q", <-notices)
		}
		s.nothing(time.Minute + 50*ms)
		s.set(func(d *desk) { d.atWork = "" })
		if f := s.expect(64200*ms, is{"f0": "297", "f1": "298", "f2": "299"}); !f.Git {
			t.Error("git isn't mentioned")
		}
		s.save("f0", "300")
		if f := s.expect(64400*ms, is{"f0": "300", "f1": "298", "f2": "299"}); f.Git {
			t.Error("git is mentioned, and had nothing to do with it")
		}
	})
	if len(notices) != 1 {
		t.Errorf("%d notices, want 1", len(notices))
	}
}

func TestTornFileIsReadAgain(t *testing.T) {
	play(t, Options{AtMost: time.Second}, nil, func(s *script) {
		s.expect(0, is{})
		s.set(func(d *desk) { d.torn = true })
		s.save("a", "1")
		s.nothing(time.Minute + 50*ms)
		s.set(func(d *desk) { d.torn = false })
		s.expect(time.Minute+200*ms, is{"a": "1"})
	})
}

func TestIncludedFilesCount(t *testing.T) {
	play(t, Options{}, is{"a": "1", "/t": "template"}, func(s *script) {
		s.expect(0, is{"a": "1"})
		s.Include(map[string]Sum{"/t": SumOf([]byte("template"))})
		s.nothing(time.Minute)
		s.save("/t", "other")
		s.expect(time.Minute+200*ms, is{"a": "1"})
		s.Include(nil)
		s.save("/t", "nobody cares")
		s.nothing(time.Minute)
	})
}

// What changed between being read by the consumer and being included is news.
func TestChangeBeforeIncludeIsSeen(t *testing.T) {
	play(t, Options{}, nil, func(s *script) {
		s.expect(0, is{})
		s.write("/t", "new")
		s.Include(map[string]Sum{"/t": SumOf([]byte("old"))})
		s.expect(200*ms, is{})
		s.nothing(time.Minute)
	})
}

func TestAgainDeliversTheNextSave(t *testing.T) {
	play(t, Options{}, is{"a": "1"}, func(s *script) {
		s.expect(0, is{"a": "1"})
		s.Again()
		s.nothing(time.Minute)
		s.save("a", "1")
		s.expect(time.Minute+200*ms, is{"a": "1"})
		s.save("a", "1")
		s.nothing(time.Minute)
		s.save("a", "1") // before Again is asked for: counts, too
		s.pass(time.Second)
		s.Again()
		s.expect(121400*ms, is{"a": "1"})
	})
}

// Looks cost: a thousand hints at once make two.
func TestHintsAreFewLooks(t *testing.T) {
	play(t, Options{}, nil, func(s *script) {
		s.expect(0, is{})
		before := s.looks
		for i := range 1000 {
			s.save("a", fmt.Sprint(i))
		}
		s.expect(200*ms, is{"a": "999"})
		if n := s.looks - before; n > 2 {
			t.Errorf("%d looks", n)
		}
	})
}

func TestDigestFollowsContentOnly(t *testing.T) {
	a := map[string]Sum{"x": SumOf([]byte("1")), "y": SumOf([]byte("2"))}
	b := maps.Clone(a)
	if digestOf(a) != digestOf(b) {
		t.Error("equal contents have two digests")
	}
	b["y"] = SumOf([]byte("3"))
	if digestOf(a) == digestOf(b) {
		t.Error("different contents have one digest")
	}
	if digestOf(map[string]Sum{"xy": a["x"]}) == digestOf(map[string]Sum{"x": a["x"]}) {
		t.Error("different names have one digest")
	}
}
