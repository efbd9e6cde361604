package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"github.com/novaplan/novaplan/cluster/state"
)

// keyCurrentTerm is where raft keeps its term in the stable store.
const keyCurrentTerm = "CurrentTerm"

// segmentSize is what a log segment takes on disk from the start.
const segmentSize = 8 << 20

// storage is what raft keeps its log and its vote in.
type storage interface {
	raft.LogStore
	raft.MonotonicLogStore
	raft.StableStore
	io.Closer
}

// openWAL opens the log in dir and checks that it holds all that was acknowledged.
func openWAL(dir string, logger hclog.Logger) (*wal.WAL, *mark, error) {
	m, err := openMark(dir)
	if err != nil {
		return nil, nil, err
	}
	log, err := openSegments(dir, logger)
	if err != nil {
		return nil, nil, errors.Join(err, m.Close())
	}
	last, err := log.LastIndex()
	if err == nil && last < m.index {
		err = fmt.Errorf("the log ends at entry %d, but entry %d was acknowledged: %w", last, m.index, state.ErrCorrupt)
	}
	if err != nil {
		return nil, nil, errors.Join(err, log.Close(), m.Close())
	}
	return log, m, nil
}

// openSegments opens the log itself. The libraries below it take their files for whole: on damaged ones
// they panic, or read beyond the end of a mapped file.
func openSegments(dir string, logger hclog.Logger) (log *wal.WAL, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			log, err = nil, fmt.Errorf("%w: the log can't be read: %v", state.ErrCorrupt, v)
		}
	}()
	log, err = wal.Open(dir, wal.WithSegmentSize(segmentSize), wal.WithLogger(logger))
	var system syscall.Errno
	if err != nil && !errors.As(err, &system) { // not the disk said it, so what is on it did
		err = fmt.Errorf("%w: %v", state.ErrCorrupt, err)
	}
	return log, err
}

// mark remembers the last entry that was acknowledged, outside the log: a torn write and a lost
// entry look alike from inside. It also remembers how much of the log was committed, which a member alone can't
// know otherwise when it comes back. It is not synced, so after a power loss it may name
// earlier entries, never later ones.
type mark struct {
	file *os.File // nil in a folder that is only read

	mu        sync.Mutex
	index     uint64
	committed uint64
}

func openMark(dir string) (*mark, error) {
	file, err := os.OpenFile(dir+".mark", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	m := &mark{file: file}
	m.index, m.committed, err = readMark(file)
	return m, err
}

func readMark(r io.ReaderAt) (index, committed uint64, err error) {
	var b [16]byte
	if _, err := r.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, err
	}
	return binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:]), nil
}

func (m *mark) set(index uint64) error { return m.write(func() { m.index = index }) }

// commit notes that the log was committed up to an entry.
func (m *mark) commit(index uint64) error {
	return m.write(func() { m.committed = max(m.committed, index) })
}

func (m *mark) write(change func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], m.index)
	binary.BigEndian.PutUint64(b[8:], m.committed)
	_, err := m.file.WriteAt(b[:], 0)
	return err
}

// Close closes the file.
func (m *mark) Close() error { return m.file.Close() }

// guarded watches a storage: a write that hangs is reported while it hangs, one that fails stops all
// later ones.
type guarded struct {
	storage
	dir   folder
	mark  *mark
	limit time.Duration
	hung  func(error) // a write has taken longer than limit
	fail  func(error) // a write failed; called once

	written atomic.Uint64 // bytes of entries since the node began or made a snapshot

	mu     sync.Mutex
	failed error
	halted chan struct{} // closed when the node is down
}

// StoreLog writes one entry.
func (g *guarded) StoreLog(l *raft.Log) error { return g.StoreLogs([]*raft.Log{l}) }

// StoreLogs writes entries and remembers the last.
func (g *guarded) StoreLogs(logs []*raft.Log) error {
	return g.write(func() error {
		if err := g.storage.StoreLogs(logs); err != nil {
			return err
		}
		for _, l := range logs {
			g.written.Add(uint64(len(l.Data)))
		}
		return g.mark.set(logs[len(logs)-1].Index)
	})
}

// DeleteRange drops a prefix after a snapshot, a suffix that another leader overruled, or all, when
// a snapshot came that replaces it.
func (g *guarded) DeleteRange(lo, hi uint64) error {
	return g.write(func() error {
		first, err := g.FirstIndex()
		if err != nil {
			return err
		}
		if g.mark.index >= lo && g.mark.index <= hi {
			left := lo - 1
			if left < first {
				left = 0
			}
			if err := g.mark.set(left); err != nil {
				return err
			}
		}
		return g.storage.DeleteRange(lo, hi)
	})
}

// Set writes a value of the stable store.
func (g *guarded) Set(key, value []byte) error {
	return g.writeStable(key, func() error { return g.storage.Set(key, value) })
}

// SetUint64 writes a number of the stable store.
func (g *guarded) SetUint64(key []byte, value uint64) error {
	return g.writeStable(key, func() error { return g.storage.SetUint64(key, value) })
}

func (g *guarded) write(do func() error) error {
	g.mu.Lock()
	failed := g.failed
	g.mu.Unlock()
	if failed != nil {
		return failed
	}
	watchdog := time.AfterFunc(g.limit, func() {
		g.hung(fmt.Errorf("%s: %w: a write has been hanging for %s", g.dir, ErrDisk, g.limit))
	})
	err := do()
	watchdog.Stop()
	if err == nil {
		return nil
	}
	err = g.dir.diskError(err)
	g.mu.Lock()
	first := g.failed == nil
	if first {
		g.failed = err
	}
	g.mu.Unlock()
	if first {
		g.fail(err)
	}
	return err
}

// writeStable lets a vote that can't be written fail: it is not given then. For the term, on which raft
// would panic, it waits until the node is down; a node whose log and votes can't be written does no harm in a term
// that it forgets.
func (g *guarded) writeStable(key []byte, do func() error) error {
	err := g.write(do)
	if err == nil || string(key) != keyCurrentTerm {
		return err
	}
	<-g.halted
	return nil
}
