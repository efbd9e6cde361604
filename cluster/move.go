package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"
)

// moved is the content of the file "moved": where the record of this folder went.
type moved struct {
	Endpoint string    `json:"endpoint"`
	At       time.Time `json:"at"`
}

func (f folder) movedPath() string { return f.path("moved") }

// Moved tells whether the record in dir went on elsewhere, and where. ReadOnly still shows what it was then.
func Moved(dir string) (endpoint string, ok bool) {
	data, err := os.ReadFile(folder(dir).movedPath())
	if err != nil {
		return "", false
	}
	var m moved
	if err := json.Unmarshal(data, &m); err != nil {
		m.Endpoint = "an unknown address" // whatever it says, somebody meant this folder to be left alone
	}
	return m.Endpoint, true
}

// MoveTo marks the record in dir as one that servers at endpoint have now: Open refuses it from then on with a
// *MovedError. Removing the file "moved" in dir takes that back. Errors: ErrNoRecord, *LockedError while a process
// has it open.
func MoveTo(dir, endpoint string) error {
	f := folder(dir)
	if err := f.checkVersion(); err != nil {
		return err
	}
	lock, err := f.lock(context.Background())
	if err != nil {
		return err
	}
	return errors.Join(f.markMoved(endpoint, time.Now()), lock.Close())
}

func (f folder) markMoved(endpoint string, now time.Time) error {
	data, err := json.Marshal(moved{Endpoint: endpoint, At: now.UTC()})
	if err != nil {
		return err
	}
	if err := writeFile(f.movedPath(), string(data)+"\n"); err != nil {
		return f.writeError(err)
	}
	return nil
}

// Move saves the record to w and marks it as moved, in one: nothing is recorded here any more once the
// archive is written. The node goes down with a *MovedError.
func (n *Node) Move(ctx context.Context, endpoint string, w io.Writer) (SnapshotInfo, error) {
	if n.member != nil {
		return SnapshotInfo{}, ErrMember
	}
	if err := n.Err(); err != nil {
		return SnapshotInfo{}, err
	}
	n.stop(&MovedError{Dir: string(n.dir), Endpoint: endpoint})
	<-n.ended // what was acknowledged is applied, and nothing is any more
	info, err := n.Save(ctx, w)
	if err != nil {
		return SnapshotInfo{}, err
	}
	return info, n.dir.markMoved(endpoint, n.opts.Now())
}
