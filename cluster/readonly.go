package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/novaplan/novaplan/cluster/state"
)

// ReadOnly returns the newest State of the record in dir without an election and without writing
// anything there: the newest snapshot, and the log behind it. The folder may be read-only. Errors:
// ErrNoRecord, *LockedError while another process has it open (ask that one, at Socket),
// state.ErrNewer, state.ErrCorrupt.
func ReadOnly(ctx context.Context, dir string) (state.State, error) {
	f := folder(dir)
	if err := f.checkVersion(); err != nil {
		return state.State{}, err
	}
	lock, err := f.lockShared(ctx)
	if err != nil {
		return state.State{}, err
	}
	if lock != nil {
		defer lock.Close()
	}
	tmp, err := os.MkdirTemp("", "novaplan-read-*")
	if err != nil {
		return state.State{}, fmt.Errorf("read record: %w", err)
	}
	defer os.RemoveAll(tmp)
	st, err := f.replay(tmp)
	if errors.Is(err, state.ErrCorrupt) {
		return state.State{}, damaged(dir, err)
	}
	if err == nil && st.Level == 0 {
		err = ErrNoRecord
	}
	if err != nil {
		return state.State{}, fmt.Errorf("%s: %w", dir, err)
	}
	return st, nil
}

// replay works on a copy, because the log repairs its torn tail when it is opened.
func (f folder) replay(tmp string) (state.State, error) {
	copied := filepath.Join(tmp, "raft")
	err := copyTree(copied, f.path("raft"))
	if errors.Is(err, fs.ErrNotExist) {
		return state.State{}, ErrNoRecord
	}
	if err != nil {
		return state.State{}, err
	}
	logger := nullLogger()
	if _, err := os.Stat(f.wal()); errors.Is(err, fs.ErrNotExist) {
		return state.State{}, fmt.Errorf("%w: the log is gone", state.ErrCorrupt)
	}
	log, mark, err := openWAL(filepath.Join(copied, "wal"), logger)
	if err != nil {
		return state.State{}, err
	}
	defer log.Close()
	defer mark.Close()
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(copied, keepSnapshots, logger)
	if err != nil {
		return state.State{}, err
	}
	st, from, err := newestSnapshot(snapshots)
	if err != nil {
		return state.State{}, err
	}
	err = eachEntry(log, from, func(e state.Entry) { st, _ = state.Apply(st, e) })
	return st, err
}

func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		return copyFile(filepath.Join(to, rel), path)
	})
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// newestSnapshot restores the newest snapshot that is whole, and returns the index of its last entry.
func newestSnapshot(store raft.SnapshotStore) (state.State, uint64, error) {
	metas, err := store.List()
	if err != nil {
		return state.State{}, 0, err
	}
	var first error
	for _, meta := range metas {
		_, r, err := store.Open(meta.ID)
		if err == nil {
			var st state.State
			st, err = state.Restored(r)
			err = errors.Join(err, r.Close())
			if err == nil {
				return st, meta.Index, nil
			}
		}
		if errors.Is(err, state.ErrNewer) {
			return state.State{}, 0, err
		}
		if first == nil {
			first = fmt.Errorf("snapshot %s: %w: %v", meta.ID, state.ErrCorrupt, err)
		}
	}
	return state.State{}, 0, first
}

// audit reads what raft is about to replay, because raft panics where it can't read. It finds entries
// of a newer novaplan, damage, and a gap between snapshot and log. It reports whether the newest snapshot
// was whole; then the record holds it, and what is known to be committed behind it.
func (n *Node) audit(log raft.LogStore, snapshots raft.SnapshotStore, committed uint64) (restored bool, err error) {
	metas, err := snapshots.List()
	if err != nil {
		return false, err
	}
	st, from, err := newestSnapshot(snapshots)
	if err != nil {
		return false, err
	}
	restored = len(metas) > 0 && metas[0].Index == from
	whole := restored || len(metas) == 0
	err = eachEntry(log, from, func(e state.Entry) {
		if whole && e.Index <= committed {
			st, _ = state.Apply(st, e)
		}
	})
	if whole && err == nil {
		n.publish(st)
	}
	return restored, err
}

// eachEntry yields the commands of the log behind index from, all of which must be there.
func eachEntry(log raft.LogStore, from uint64, yield func(state.Entry)) error {
	first, err := log.FirstIndex()
	if err != nil {
		return err
	}
	last, err := log.LastIndex()
	if err != nil || last == 0 {
		return err
	}
	if first > from+1 {
		return fmt.Errorf("the log begins at entry %d, the snapshot ends at %d: %w", first, from, state.ErrCorrupt)
	}
	for i := from + 1; i <= last; i++ {
		var l raft.Log
		if err := log.GetLog(i, &l); err != nil {
			return fmt.Errorf("entry %d: %w: %v", i, state.ErrCorrupt, err)
		}
		if l.Index != i {
			return fmt.Errorf("entry %d says it is %d: %w", i, l.Index, state.ErrCorrupt)
		}
		if l.Type != raft.LogCommand {
			continue
		}
		e, err := state.DecodeCommand(l.Data)
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		e.Index, e.Term = l.Index, l.Term
		yield(e)
	}
	return nil
}

func nullLogger() hclog.Logger { return hclog.NewNullLogger() }
