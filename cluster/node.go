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

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/novaplan/novaplan/cluster/state"
)

// Options of Open. The zero value opens an existing embedded record.
type Options struct {
	// Membership makes the node one of several; nil: embedded, the only member. A member needs no Create: the
	// cluster makes its record.
	Membership *Membership

	Create bool       // make a record when there is none
	Mode   state.Mode // of a new record, or checked against an existing one; "" is real when new, any when existing
	Fleet  string     // of a new record; "" is "default"
	ID     string     // of a new record's cluster, a UUID; "" is random

	Logger    *slog.Logger     // raft's own words, at debug level; nil: none
	Now       func() time.Time // stamps entries; nil: time.Now
	DiskLimit time.Duration    // a log write longer than this calls Fatal; 0: 10 s, of a member 5 s
	// Fatal is told that the disk hangs, from a goroutine of its own, and is expected to end the process: a
	// hanging write can't be withdrawn. nil: say so on standard error and exit with code 1.
	Fatal func(error)

	wrap  func(storage) storage // for tests: faults
	level uint32                // for tests: the highest level that this member supports; 0: state.Level
}

const defaultDiskLimit = 10 * time.Second

// Node is a member of the cluster with the record in a folder. It is safe for concurrent use.
type Node struct {
	*record
	dir    folder
	opts   Options
	lock   *os.File
	store  *guarded
	raft   *raft.Raft
	trans  raft.Transport
	self   raft.Server // its own id and address
	member *member     // nil: embedded
	clock  clock
	notify chan bool
	ended  chan struct{} // closed when raft has ended: what it didn't answer by then it never will

	mu         sync.Mutex
	leadership *leadership
	led        chan struct{} // closed and replaced when leadership changes
	err        error         // why the node is down
	down       chan struct{} // closed when it is
	ending     raft.Future   // of raft's shutdown
	closing    sync.Once
	watching   sync.WaitGroup
}

// Open opens the record in dir, which it locks. Embedded, it waits until this node leads and has applied all
// of its log. A member returns at once and finds the others in the background: Leadership, Wait and
// Members tell how far it got, Down when it was refused. Errors: ErrNoRecord, *LockedError, *MovedError,
// ErrReadOnly, ErrDiskFull, ErrMode, ErrMember, ErrRemoved, state.ErrNewer, state.ErrCorrupt; each says
// what it is about. A failed Open leaves nothing running.
func Open(ctx context.Context, dir string, opts Options) (_ *Node, err error) {
	f := folder(dir)
	if err := f.checkVersion(); err != nil {
		if !errors.Is(err, ErrNoRecord) || !opts.Create && opts.Membership == nil {
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
		notify: make(chan bool, 16), ended: make(chan struct{}), led: make(chan struct{}), down: make(chan struct{}),
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
	if o.DiskLimit == 0 && o.Membership == nil {
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

// begin starts raft and, embedded, waits for the first leadership.
func (n *Node) begin(ctx context.Context) error {
	if to, moved := Moved(string(n.dir)); moved {
		return &MovedError{Dir: string(n.dir), Endpoint: to}
	}
	who, err := n.dir.settle(n.opts.Membership)
	if err != nil {
		return err
	}
	if err := n.dir.checkSpace(); err != nil {
		return err
	}
	logger := hclog.New(&hclog.LoggerOptions{Name: "raft", Level: hclog.Info, Output: slogWriter{n.opts.Logger}, DisableTime: true})
	if n.opts.Membership != nil {
		if n.member, err = newMember(n, *n.opts.Membership, who); err != nil {
			return err
		}
	}
	snapshots, restored, err := n.openStorage(logger)
	if err != nil {
		return err
	}
	if err := n.startRaft(snapshots, restored, logger); err != nil {
		return n.openError(err)
	}
	if n.member != nil {
		n.member.start()
		return nil
	}
	return n.awaitRecord(ctx)
}

// openStorage opens log and snapshots. restored: the newest snapshot is in the record already.
func (n *Node) openStorage(logger hclog.Logger) (snapshots raft.SnapshotStore, restored bool, err error) {
	if err := os.MkdirAll(n.dir.wal(), 0o700); err != nil {
		return nil, false, n.dir.writeError(err)
	}
	log, mark, err := openWAL(n.dir.wal(), logger)
	if err != nil {
		return nil, false, n.openError(err)
	}
	var inner storage = log
	if n.opts.wrap != nil {
		inner = n.opts.wrap(inner)
	}
	n.store = &guarded{storage: inner, dir: n.dir, mark: mark, limit: n.opts.DiskLimit, hung: n.opts.Fatal, fail: n.stop, halted: n.down}
	snapshots, err = raft.NewFileSnapshotStoreWithLogger(n.dir.path("raft"), keepSnapshots, logger)
	if err != nil {
		return nil, false, n.dir.writeError(err)
	}
	if n.member != nil {
		if err := n.prepareMember(snapshots, logger); err != nil {
			return nil, false, n.openError(err)
		}
	}
	committed := uint64(0) // embedded, raft knows: all of it
	if n.member != nil {
		committed = mark.committed
	}
	if restored, err = n.audit(log, snapshots, committed); err != nil {
		return nil, false, n.openError(err)
	}
	return snapshots, restored, nil
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

// Down returns a channel that is closed when the node has stopped, by Close or by a failure; Err
// then says why.
func (n *Node) Down() <-chan struct{} { return n.down }

// Err returns why the node is down: ErrClosed, ErrDisk, ErrRefused, ErrRemoved, state.ErrNewer,
// state.ErrCorrupt; nil while it is up.
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
	n.shutdown()
}

// shutdown tells raft to end, once; mu is held.
func (n *Node) shutdown() {
	if n.raft != nil && n.ending == nil {
		n.ending = n.raft.Shutdown()
		go func(ending raft.Future) {
			if n.member != nil {
				_ = n.member.stream.Close() // raft would wait for answers
			}
			_ = ending.Error()
			close(n.ended)
		}(n.ending)
	}
}

// Close lets go of the folder. A leader hands over to another member first. Embedded, it writes a snapshot
// when replaying the log would take long.
func (n *Node) Close() (err error) {
	n.closing.Do(func() {
		n.handOver()
		if n.member == nil && n.raft != nil && n.Err() == nil && n.raft.AppliedIndex() > n.snapshotIndex()+snapshotThreshold {
			err = n.await(n.raft.Snapshot())
		}
		err = errors.Join(err, n.close())
	})
	return err
}

// Kill is Close as kill -9 would be: nothing is handed over and nothing is written. It is for simulations.
func (n *Node) Kill() (err error) {
	n.closing.Do(func() { err = n.close() })
	return err
}

func (n *Node) close() error {
	var errs []error
	n.stop(ErrClosed)
	if n.member != nil {
		errs = append(errs, n.member.close())
	}
	n.mu.Lock()
	n.shutdown() // when it failed while it began
	running := n.raft != nil
	n.mu.Unlock()
	if running {
		<-n.ended
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
