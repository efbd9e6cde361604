package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/novaplan/novaplan/cluster/state"
)

// Options of Open. The zero value opens an existing record.
type Options struct {
	Create bool       // make a record when there is none
	Mode   state.Mode // of a new record, or checked against an existing one; "" is real when new, any when existing
	Fleet  string     // of a new record; "" is "default"
	ID     string     // of a new record's cluster, a UUID; "" is random

	Logger    *slog.Logger     // raft's own words, at debug level; nil: none
	Now       func() time.Time // stamps entries; nil: time.Now
	DiskLimit time.Duration    // a log write longer than this calls Fatal; 0: 10 s
	// Fatal is told that the disk hangs, from a goroutine of its own, and is expected to end the process: a
	// hanging write can't be withdrawn. nil: say so on standard error and exit with code 1.
	Fatal func(error)

	wrap func(storage) storage // for tests: faults
}

// Raft as one member in the process. TrailingLogs is large because small values can livelock
// the install of a snapshot on a slow follower.
const (
	embeddedTimeout   = 10 * time.Millisecond
	trailingLogs      = 10_240
	snapshotThreshold = 8_192
	snapshotInterval  = 30 * time.Second
	keepSnapshots     = 2
	maxAppend         = 256
	defaultDiskLimit  = 10 * time.Second
	member            = raft.ServerID("embedded")
)

// Node is a member of the cluster with the record in a folder. It is safe for concurrent use.
type Node struct {
	*record
	dir    folder
	opts   Options
	lock   *os.File
	store  *guarded
	raft   *raft.Raft
	clock  clock
	notify chan bool

	mu         sync.Mutex
	leadership *leadership
	led        chan struct{} // closed and replaced when leadership changes
	err        error         // why the node is down
	down       chan struct{} // closed when it is
	closing    sync.Once
	watching   sync.WaitGroup
}

// leadership is one time of being the leader.
type leadership struct {
	term uint64
	lost chan struct{}
}

// Open opens the record in dir, which it locks, and waits until this node leads and has applied all
// of its log. Errors: ErrNoRecord, *LockedError, ErrReadOnly, ErrDiskFull, ErrMode, state.ErrNewer,
// state.ErrCorrupt; each says what it is about. A failed Open leaves nothing running.
func Open(ctx context.Context, dir string, opts Options) (_ *Node, err error) {
	f := folder(dir)
	if err := f.checkVersion(); err != nil {
		if !errors.Is(err, ErrNoRecord) || !opts.Create {
			return nil, err
		}
		if err := f.create(); err != nil {
			return nil, err
		}
	}
	opts.fill()
	lock, err := f.lock(ctx)
	if err != nil {
		return nil, err
	}
	n := &Node{
		record: newRecord(state.State{}), dir: f, opts: opts, lock: lock, clock: clock{now: opts.Now},
		notify: make(chan bool, 16), led: make(chan struct{}), down: make(chan struct{}),
	}
	if err := n.begin(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (o *Options) fill() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.DiskLimit == 0 {
		o.DiskLimit = defaultDiskLimit
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) {
			fmt.Fprintln(os.Stderr, "novaplan:", err)
			os.Exit(1)
		}
	}
	if o.Fleet == "" {
		o.Fleet = "default"
	}
}

// begin starts raft and waits for the first leadership.
func (n *Node) begin(ctx context.Context) error {
	if err := n.dir.checkSpace(); err != nil {
		return err
	}
	logger := hclog.New(&hclog.LoggerOptions{Name: "raft", Level: hclog.Info, Output: slogWriter{n.opts.Logger}, DisableTime: true})
	if err := os.MkdirAll(n.dir.wal(), 0o700); err != nil {
		return n.dir.writeError(err)
	}
	log, mark, err := openWAL(n.dir.wal(), logger)
	if err != nil {
		return n.openError(err)
	}
	var inner storage = log
	if n.opts.wrap != nil {
		inner = n.opts.wrap(inner)
	}
	n.store = &guarded{storage: inner, dir: n.dir, mark: mark, limit: n.opts.DiskLimit, hung: n.opts.Fatal, fail: n.stop, halted: n.down}
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(n.dir.path("raft"), keepSnapshots, logger)
	if err != nil {
		return n.dir.writeError(err)
	}
	restored, err := n.audit(log, snapshots)
	if err != nil {
		return n.openError(err)
	}
	if err := n.startRaft(snapshots, restored, logger); err != nil {
		return n.openError(err)
	}
	return n.awaitRecord(ctx)
}

func (n *Node) openError(err error) error {
	if errors.Is(err, state.ErrCorrupt) {
		return damaged(string(n.dir), err)
	}
	if errors.Is(err, state.ErrNewer) {
		return fmt.Errorf("%s: %w", n.dir, err)
	}
	return n.dir.writeError(err)
}

// startRaft starts it on what is in the folder; restored: the newest snapshot is applied already.
func (n *Node) startRaft(snapshots raft.SnapshotStore, restored bool, logger hclog.Logger) error {
	conf := raft.DefaultConfig()
	conf.LocalID = member
	conf.HeartbeatTimeout, conf.ElectionTimeout = embeddedTimeout, embeddedTimeout
	conf.LeaderLeaseTimeout, conf.CommitTimeout = embeddedTimeout, embeddedTimeout
	conf.TrailingLogs, conf.SnapshotThreshold, conf.SnapshotInterval = trailingLogs, snapshotThreshold, snapshotInterval
	conf.MaxAppendEntries, conf.BatchApplyCh = maxAppend, true
	conf.NotifyCh, conf.Logger = n.notify, logger
	conf.NoLegacyTelemetry, conf.NoSnapshotRestoreOnStart = true, restored

	address, transport := raft.NewInmemTransport("")
	begun, err := raft.HasExistingState(n.store, n.store, snapshots)
	if err != nil {
		return err
	}
	if !begun {
		servers := raft.Configuration{Servers: []raft.Server{{ID: member, Address: address}}}
		if err := raft.BootstrapCluster(conf, n.store, n.store, snapshots, transport, servers); err != nil {
			return err
		}
	}
	r, err := raft.NewRaft(conf, &machine{record: n.record, halt: n.stop}, n.store, n.store, snapshots, transport)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.raft = r
	failed := n.err
	n.mu.Unlock()
	n.watching.Go(n.watchLeadership)
	return failed
}

// awaitRecord waits for leadership and, in a new folder, begins the record.
func (n *Node) awaitRecord(ctx context.Context) error {
	if _, _, err := n.Leadership(ctx); err != nil {
		return err
	}
	st := n.State()
	if st.Level == 0 {
		if !n.opts.Create {
			return fmt.Errorf("%s: %w", n.dir, ErrNoRecord)
		}
		mode := n.opts.Mode
		if mode == "" {
			mode = state.Real
		}
		id := n.opts.ID
		if id == "" {
			id = uuid.NewString()
		}
		result, err := n.Propose(ctx, state.Command{Bootstrap: &state.Bootstrap{
			ClusterID: id, Fleet: n.opts.Fleet, Mode: mode, Level: state.Level,
		}})
		if err != nil {
			return err
		}
		if result.Refused != nil {
			return result.Refused
		}
		return nil
	}
	if n.opts.Mode != "" && st.Mode != n.opts.Mode {
		return fmt.Errorf("%s: %w: %s, not %s", n.dir, ErrMode, st.Mode, n.opts.Mode)
	}
	return nil
}

// watchLeadership follows raft: being leader counts from the moment when everything committed before is
// applied.
func (n *Node) watchLeadership() {
	for {
		select {
		case <-n.down:
			n.lead(nil)
			return
		case leads := <-n.notify:
			n.lead(nil)
			if !leads || n.raft.Barrier(0).Error() != nil {
				continue
			}
			n.lead(&leadership{term: n.raft.CurrentTerm(), lost: make(chan struct{})})
		}
	}
}

func (n *Node) lead(next *leadership) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.leadership == next {
		return
	}
	if n.leadership != nil {
		close(n.leadership.lost)
	}
	n.leadership = next
	close(n.led)
	n.led = make(chan struct{})
}

// Leadership waits until this node leads. It returns the term, which is the epoch for Start, and a channel
// that is closed when that leadership ends. State is then at least as new as every command acknowledged
// before.
func (n *Node) Leadership(ctx context.Context) (term uint64, lost <-chan struct{}, err error) {
	for {
		n.mu.Lock()
		l, led, failed := n.leadership, n.led, n.err
		n.mu.Unlock()
		if failed != nil {
			return 0, nil, failed
		}
		if l != nil {
			return l.term, l.lost, nil
		}
		select {
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		case <-n.down:
		case <-led:
		}
	}
}

// Term returns the term that this node leads in, 0 when it doesn't.
func (n *Node) Term() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.leadership == nil {
		return 0
	}
	return n.leadership.term
}

// Down returns a channel that is closed when the node has stopped, by Close or by a failure; Err
// then says why.
func (n *Node) Down() <-chan struct{} { return n.down }

// Err returns why the node is down: ErrClosed, ErrDisk, state.ErrNewer, state.ErrCorrupt; nil while it is up.
func (n *Node) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// stop takes the node down because of err. What was acknowledged is on disk.
func (n *Node) stop(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil {
		return
	}
	n.err = err
	close(n.down)
	if n.raft != nil {
		n.raft.Shutdown()
	}
}

// Close lets go of the folder. It writes a snapshot first when replaying the log would take long.
func (n *Node) Close() (err error) {
	n.closing.Do(func() { err = n.close() })
	return err
}

func (n *Node) close() error {
	var errs []error
	if n.raft != nil {
		if n.Err() == nil && n.raft.AppliedIndex() > n.snapshotIndex()+snapshotThreshold {
			errs = append(errs, n.raft.Snapshot().Error())
		}
	}
	n.stop(ErrClosed)
	if n.raft != nil {
		errs = append(errs, n.raft.Shutdown().Error())
		n.watching.Wait()
	}
	if n.store != nil {
		errs = append(errs, n.store.Close(), n.store.mark.Close())
	}
	errs = append(errs, n.lock.Close())
	return errors.Join(errs...)
}

// slogWriter passes raft's lines on.
type slogWriter struct{ logger *slog.Logger }

// Write logs one line.
func (w slogWriter) Write(p []byte) (int, error) {
	w.logger.Debug(string(trimNewline(p)))
	return len(p), nil
}

func trimNewline(p []byte) []byte {
	if len(p) > 0 && p[len(p)-1] == '\n' {
		return p[:len(p)-1]
	}
	return p
}

var _ io.Closer = (*Node)(nil)
