package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
)

// journal is an append-only file of turns: one line each, a JSON array of changes. Only the last
// line can be torn. It is rewritten when most of it is out of date.
type journal struct {
	dir  string
	lock *os.File
	sync bool

	file   *os.File
	size   int64        // of the file
	dense  int64        // what it was when last compacted
	good   int64        // where replay found its last whole line
	ticket atomic.Int64 // bytes ever appended

	syncing sync.Mutex
	synced  int64 // ticket up to which the disk has it
}

// change is one object's new state. Without a value it is gone; violations and deletions add up.
type change struct {
	Kind  string          `json:"k"`
	Place string          `json:"h,omitempty"` // host, or "" for what is shared
	ID    string          `json:"i,omitempty"`
	Value json.RawMessage `json:"v,omitempty"`
}

const (
	journalName = "hosts.journal"
	// slack is how much a journal may grow beyond twice its dense size before it is compacted.
	slack = 4 << 20
)

func openJournal(dir string, sync bool) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("in use by another process: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, journalName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &journal{dir: dir, lock: lock, sync: sync, file: file}, nil
}

// replay hands every change to apply. A torn last line was never answered to anybody and is dropped.
func (j *journal) replay(apply func(change) error) error {
	r := bufio.NewReaderSize(j.file, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var changes []change
		if err := json.Unmarshal(line, &changes); err != nil {
			return fmt.Errorf("%s is damaged at byte %d; remove the folder to begin with new hosts", journalName, j.good)
		}
		for _, c := range changes {
			if err := apply(c); err != nil {
				return fmt.Errorf("%s at byte %d: %s %s: %w", journalName, j.good, c.Kind, c.ID, err)
			}
		}
		j.good += int64(len(line))
	}
}

// append writes one turn and returns the ticket to wait for.
func (j *journal) append(changes []change) (int64, error) {
	line, err := json.Marshal(changes)
	if err != nil {
		return j.ticket.Load(), err
	}
	line = append(line, '\n')
	n, err := j.file.Write(line)
	j.size += int64(n)
	j.ticket.Add(int64(n))
	return j.ticket.Load(), err
}

// wait returns when the turn of that ticket is on disk, if that was asked for. Turns that wait
// together share one sync.
func (j *journal) wait(ticket int64) error {
	if !j.sync || ticket == 0 {
		return nil
	}
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if j.synced >= ticket {
		return nil
	}
	// The sync covers all that was appended before it begins; read from there, not only ours.
	covered := j.ticket.Load()
	if err := j.file.Sync(); err != nil {
		return err
	}
	j.synced = covered
	return nil
}

// bloated reports whether compacting pays.
func (j *journal) bloated() bool { return j.size > 2*j.dense+slack }

// compact replaces the file by one that holds only what snapshot yields.
func (j *journal) compact(snapshot func(func(change) error) error) error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	next, err := os.CreateTemp(j.dir, journalName+".*")
	if err != nil {
		return err
	}
	defer os.Remove(next.Name()) // no longer there after the rename
	var size int64
	out := bufio.NewWriterSize(next, 1<<20)
	err = snapshot(func(c change) error {
		line, err := json.Marshal([]change{c})
		if err != nil {
			return err
		}
		size += int64(len(line)) + 1
		_, err = out.Write(append(bytes.TrimSpace(line), '\n'))
		return err
	})
	if err == nil {
		err = out.Flush()
	}
	if err == nil && j.sync {
		err = next.Sync()
	}
	if err == nil {
		err = os.Rename(next.Name(), filepath.Join(j.dir, journalName))
	}
	if err != nil {
		next.Close()
		return err
	}
	j.file.Close()
	j.file, j.size, j.dense, j.synced = next, size, size, j.ticket.Load()
	return nil
}

func (j *journal) close() error {
	return errors.Join(j.file.Close(), j.lock.Close())
}
