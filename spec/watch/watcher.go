package watch

import (
	"context"
	"path/filepath"
	"sync"
	"time"
)

// Defaults of Options.
const (
	DefaultQuiet  = 200 * time.Millisecond
	DefaultAtMost = 3 * time.Second
	DefaultPoll   = 2 * time.Second
)

// Options say what counts and when a folder is settled. The zero value of a duration means its default.
type Options struct {
	// Match tells whether a direct entry of the folder counts, by its name. nil: all but what editors leave.
	Match func(name string) bool
	// Quiet is how long nothing may happen before the folder is settled.
	Quiet time.Duration
	// AtMost is how long a change waits for quiet while writing goes on elsewhere in the folder. A file that is
	// being written at that very moment, and git at work, are waited for all the same.
	AtMost time.Duration
	// Poll is how often the folder is looked at without any notification.
	Poll time.Duration
	// Notice is told, in a sentence for people, why notifications don't work or what is waited for. It must not
	// block.
	Notice func(text string)
}

func (o Options) withDefaults() Options {
	set := func(p *time.Duration, def time.Duration) {
		if *p <= 0 {
			*p = def
		}
	}
	set(&o.Quiet, DefaultQuiet)
	set(&o.AtMost, DefaultAtMost)
	set(&o.Poll, DefaultPoll)
	o.AtMost = max(o.AtMost, o.Quiet)
	if o.Match == nil {
		o.Match = func(string) bool { return true }
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	return o
}

// Folder is what a folder held when it was settled.
type Folder struct {
	Dir   string            // absolute
	Files map[string][]byte // contents of the files that count, by name
	// Digest is over the files and all that was included.
	Digest Sum
	// Git: git was at work since the folder before this one. What it leaves behind is whole.
	Git bool
	// Changed is when the last change was noticed that led to this folder.
	Changed time.Time
}

// Watcher watches one folder. Its methods are safe for concurrent use.
type Watcher struct {
	dir  string
	opts Options
	out  chan Folder

	mu       sync.Mutex
	included map[string]Sum // what the consumer saw, taken up by the loop; nil: nothing new
	again    bool
	poke     chan struct{}
}

// New returns a watcher of the folder dir, which need not exist. Nothing happens before Run.
func New(dir string, opts Options) *Watcher {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return &Watcher{dir: dir, opts: opts.withDefaults(), out: make(chan Folder), poke: make(chan struct{}, 1)}
}

// Folders delivers the folder as it is at first, and then whenever it settled on something else. While nobody
// receives, changes are merged: what is received is the newest.
func (w *Watcher) Folders() <-chan Folder { return w.out }

// Include says what else counts from now on, in place of what was included before: absolute paths of files and
// folders, each with the Sum of what the consumer saw there. What is different already makes a new Folder.
func (w *Watcher) Include(seen map[string]Sum) {
	if seen == nil {
		seen = map[string]Sum{}
	}
	w.mu.Lock()
	w.included = seen
	w.mu.Unlock()
	w.wake()
}

// Again asks for a Folder at the next save of any file that counts, even if its content stays the same.
func (w *Watcher) Again() {
	w.mu.Lock()
	w.again = true
	w.mu.Unlock()
	w.wake()
}

func (w *Watcher) wake() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// asked takes what Include and Again left.
func (w *Watcher) asked() (included map[string]Sum, again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	included, again = w.included, w.again
	w.included, w.again = nil, false
	return included, again
}

// Run watches until ctx ends, and returns its error. A file system that hangs, hangs Run too: don't wait for it.
func (w *Watcher) Run(ctx context.Context) error {
	source := newNotifier(w.opts.Notice)
	defer source.close()
	look := &looker{dir: w.dir, match: w.opts.Match}
	return (&settler{w: w, source: source, eyes: look}).run(ctx)
}
