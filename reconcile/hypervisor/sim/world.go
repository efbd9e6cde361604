package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// Options shape a World. The zero value makes everything instant and faultless.
type Options struct {
	// Times of work, before TimeScale. Zero is instant.
	Latency  time.Duration // of each call, before it takes effect
	Start    time.Duration // until StartDomain answers; the domain runs from its beginning
	Boot     time.Duration // until the guest answers the power button
	Shutdown time.Duration // from the power button to off

	// Speeds in bytes/s, before TimeScale. Zero is instant.
	MigrationSpeed int64 // unless the request's bandwidth is lower
	UploadSpeed    int64 // of uploads and downloads

	// TimeScale makes everything this many times faster; 0 is 1.
	TimeScale float64

	// GuestWrites is how many bytes the first boot adds to a writable qcow2 disk, space permitting.
	GuestWrites int64

	// SharedPoolBytes is the capacity of each shared pool; 0 is 100 TiB.
	SharedPoolBytes int64
	// Networks are what every host has; nil means that a host has whatever is asked for.
	Networks []hypervisor.Network
	// KeepContent is how many compressed bytes of an uploaded volume are kept for download; 0 is
	// 64 KiB. Larger ones keep their sizes only.
	KeepContent int

	// Seed of the faults that happen by chance.
	Seed uint64
	// Sync makes every answer wait until the journal is on disk. Without it the world survives a
	// killed process but not a power cut.
	Sync bool
}

// Realistic returns times as measured on small real hosts.
func Realistic() Options {
	return Options{
		Start: 300 * time.Millisecond, Boot: 10 * time.Second, Shutdown: 3 * time.Second,
		MigrationSpeed: 1 << 30, UploadSpeed: 330 << 20, GuestWrites: 256 << 20,
	}
}

// What a simulated host has when its target does not say.
const (
	DefaultVCPUs     = 16
	DefaultMemoryMiB = 64 << 10
	DefaultDiskMiB   = 1 << 20

	defaultSharedBytes = 100 << 40
	defaultKeepContent = 64 << 10
)

// World holds simulated hosts and what they share. It implements hypervisor.Driver and is safe for
// concurrent use.
type World struct {
	opts Options

	mu         sync.Mutex
	hosts      map[string]*host
	shared     map[string]*pool // by path
	migrations map[*migration]struct{}
	locks      map[diskLock]owner
	runs       map[string][]string // hosts on which a guest executes, by UUID
	written    map[string]uint64   // the last run of each guest in which it wrote, by UUID
	agenda     agenda
	timer      *time.Timer
	rules      []*rule
	befell     map[FaultKind]int
	random     *rand.Rand
	deletions  []Deletion
	violations []Violation
	journal    *journal // nil: in memory
	broken     error    // why the journal can't be written any more
	closed     bool
}

var _ hypervisor.Driver = (*World)(nil)

// New returns an empty world that exists in memory only.
func New(opts Options) *World {
	if opts.TimeScale <= 0 {
		opts.TimeScale = 1
	}
	if opts.SharedPoolBytes == 0 {
		opts.SharedPoolBytes = defaultSharedBytes
	}
	if opts.KeepContent == 0 {
		opts.KeepContent = defaultKeepContent
	}
	return &World{
		opts:       opts,
		hosts:      map[string]*host{},
		shared:     map[string]*pool{},
		migrations: map[*migration]struct{}{},
		locks:      map[diskLock]owner{},
		runs:       map[string][]string{},
		befell:     map[FaultKind]int{},
		written:    map[string]uint64{},
		random:     rand.New(rand.NewPCG(opts.Seed, opts.Seed)),
	}
}

// Open returns the world whose journal is in folder dir, which is made when missing. Only one World
// may have a folder open: others get an error that says so.
func Open(dir string, opts Options) (*World, error) {
	w := New(opts)
	j, err := openJournal(dir, opts.Sync)
	if err != nil {
		return nil, fmt.Errorf("simulated hosts in %s: %w", dir, err)
	}
	if err := j.replay(w.restore); err != nil {
		j.close()
		return nil, fmt.Errorf("simulated hosts in %s: %w", dir, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reindex()
	w.journal = j
	if err := j.compact(w.snapshot); err != nil {
		j.close()
		return nil, fmt.Errorf("simulated hosts in %s: %w", dir, err)
	}
	w.rearm()
	return w, nil
}

// Look returns a copy of the world whose journal is in folder dir: nothing is written there, and what
// happens in the copy is forgotten with it. The folder may be read-only, and others may have it open.
func Look(dir string, opts Options) (*World, error) {
	file, err := os.Open(filepath.Join(dir, journalName))
	if err != nil {
		return nil, fmt.Errorf("simulated hosts: %w", err)
	}
	defer file.Close()
	w := New(opts)
	if err := (&journal{file: file}).replay(w.restore); err != nil {
		return nil, fmt.Errorf("simulated hosts in %s: %w", dir, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reindex()
	w.rearm()
	return w, nil
}

// Close stops the world's clock and closes its journal. Open hosts fail from then on.
func (w *World) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
	for _, h := range w.hosts {
		h.disconnect()
		for s := range h.subscribers {
			h.unsubscribe(s)
		}
	}
	if w.journal == nil {
		return nil
	}
	return w.journal.close()
}

// Open returns the simulated host that the target's URI names (sim://NAME). The target's resources
// replace what an earlier Open said.
func (w *World) Open(_ context.Context, target hypervisor.Target) (hypervisor.Host, error) {
	name, err := hostName(target.URI)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.host(name)
	h.describe(target)
	return &conn{world: w, host: h, name: name, closed: make(chan struct{})}, nil
}

// Behind returns the host as somebody on its console reaches it: no fault, no cut network and no
// hung daemon stands between, and a host without power still shows its disks. Tests use it to
// change things behind the controller's back.
func (w *World) Behind(name string) hypervisor.Host {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &conn{world: w, host: w.host(name), name: name, local: true, closed: make(chan struct{})}
}

func hostName(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", fmt.Errorf("simulated host: %w", err)
	}
	if u.Scheme != "sim" || u.Host == "" {
		return "", fmt.Errorf("simulated host: %q is not sim://NAME", uri)
	}
	return u.Host, nil
}

// host returns the host of that name, with default resources when it is new.
func (w *World) host(name string) *host {
	if h := w.hosts[name]; h != nil {
		return h
	}
	h := newHost(name)
	w.hosts[name] = h
	return h
}

// turn is one atomic step of the world: what it changed is journalled before its answers and events
// leave.
type turn struct {
	w       *World
	now     time.Time
	changes []change
	after   []func()
	answer  time.Duration // how long the running call's answer takes, set by the call
}

// then runs f when the turn's changes are safe.
func (t *turn) then(f func()) { t.after = append(t.after, f) }

// turn runs f as one step, after everything that was due before it.
func (w *World) turn(f func(*turn)) {
	w.mu.Lock()
	t := &turn{w: w, now: now()}
	w.settle(t)
	if f != nil {
		f(t)
	}
	w.settle(t) // what f made due at once
	ticket := w.commit(t)
	w.rearm()
	w.mu.Unlock()
	if w.journal != nil {
		if err := w.journal.wait(ticket); err != nil {
			w.fail(err)
		}
	}
	for _, f := range t.after {
		f()
	}
}

// commit writes the turn's changes and returns what to wait for.
func (w *World) commit(t *turn) int64 {
	if w.journal == nil || len(t.changes) == 0 || w.closed {
		return 0
	}
	ticket, err := w.journal.append(t.changes)
	if err == nil && w.journal.bloated() {
		err = w.journal.compact(w.snapshot)
	}
	if err != nil && w.broken == nil {
		w.broken = err
	}
	return ticket
}

// fail ends the world: what it can't write down, it must not answer.
func (w *World) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil && !w.closed {
		w.broken = err
	}
}

// settle runs everything that is due.
func (w *World) settle(t *turn) {
	for {
		due, ok := w.agenda.next(t.now)
		if !ok {
			return
		}
		due.run(t)
	}
}

// rearm sets the timer to the next time when something is due.
func (w *World) rearm() {
	at, ok := w.agenda.first()
	if !ok || w.closed {
		return
	}
	wait := max(at.Sub(now()), 0)
	if w.timer == nil {
		w.timer = time.AfterFunc(wait, func() { w.turn(nil) })
		return
	}
	w.timer.Reset(wait)
}

// scaled returns how long work of d takes in this world.
func (w *World) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / w.opts.TimeScale)
}

// transfer returns how long bytes take at speed bytes/s; no speed is instant.
func (w *World) transfer(bytes, speed int64) time.Duration {
	if speed <= 0 {
		return 0
	}
	return w.scaled(time.Duration(float64(bytes) / float64(speed) * float64(time.Second)))
}

// HostNames returns the names of all hosts that were ever opened or changed, sorted.
func (w *World) HostNames() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hostNames()
}

func (w *World) hostNames() []string {
	names := make([]string, 0, len(w.hosts))
	for name := range w.hosts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// now is the wall clock, which outlives the process: completion times compare across restarts.
func now() time.Time { return time.Now().UTC().Round(0) }

// hostUUID is the same in every world, as a real host's is across reinstallations of novaplan.
func hostUUID(name string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("sim://"+name)).String()
}
