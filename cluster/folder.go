package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/novaplan/novaplan/cluster/state"
)

// layoutVersion is of the folder, not of the log.
const layoutVersion = 1

const (
	lockRetry = 10 * time.Millisecond
	lockWait  = 500 * time.Millisecond // a reader holds the lock only while it copies
)

// folder is the place of an embedded record.
type folder string

func (f folder) path(parts ...string) string {
	return filepath.Join(append([]string{string(f)}, parts...)...)
}

func (f folder) wal() string { return f.path("raft", "wal") }

// Socket returns the path of the socket that the process with the record open serves.
func Socket(dir string) string { return folder(dir).path("sock") }

// Exists reports whether dir holds a record, without looking into it.
func Exists(dir string) bool {
	_, err := os.Stat(folder(dir).path("version"))
	return err == nil
}

// checkVersion reads the version file: ErrNoRecord, ErrNewer or fine.
func (f folder) checkVersion() error {
	data, err := os.ReadFile(f.path("version"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", f, ErrNoRecord)
	}
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || v < 1 {
		return damaged(string(f), fmt.Errorf("version file says %.20q: %w", data, state.ErrCorrupt))
	}
	if v > layoutVersion {
		return fmt.Errorf("%s has layout %d, this novaplan knows %d: %w", f, v, layoutVersion, state.ErrNewer)
	}
	return nil
}

// create makes the folder and its version file; what is there already stays. The folder is kept out of git:
// it belongs to this machine.
func (f folder) create() error {
	if err := os.MkdirAll(f.wal(), 0o700); err != nil {
		return f.writeError(err)
	}
	for name, content := range map[string]string{".gitignore": "*\n", "version": strconv.Itoa(layoutVersion) + "\n"} {
		if _, err := os.Stat(f.path(name)); err == nil {
			continue
		}
		if err := writeFile(f.path(name), content); err != nil {
			return f.writeError(err)
		}
	}
	return nil
}

// writeFile makes a file whole or not at all.
func writeFile(path, content string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(content)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// writeError tells read-only and full folders from other failures.
func (f folder) writeError(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s: %w: planning works, changing anything does not: %v", f, ErrReadOnly, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s: %w: %v", f, ErrDiskFull, err)
	}
	return fmt.Errorf("record: %w", err)
}

// checkSpace makes sure that an election and the next log segments can be written: raft ends the
// process when they can't.
func (f folder) checkSpace() error {
	const wanted = 3 * segmentSize
	free, err := f.free()
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if free < wanted {
		return fmt.Errorf("%s: %w: %d MiB are free there, %d MiB are needed", f, ErrDiskFull, free>>20, wanted>>20)
	}
	return nil
}

// free returns how many bytes may still be written there.
func (f folder) free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(string(f), &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// diskError explains a failed log write. A log that could not begin its next segment only says that the
// last one is sealed, so the space is looked at too.
func (f folder) diskError(err error) error {
	free, freeErr := f.free()
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || freeErr == nil && free < segmentSize {
		return fmt.Errorf("%s: %w: %w: %w; nothing acknowledged is lost: free some space and run the command again", f, ErrDisk, ErrDiskFull, err)
	}
	return fmt.Errorf("%s: %w: %w; nothing acknowledged is lost", f, ErrDisk, err)
}

// lock takes the folder for this process alone; the caller closes the file to let go.
func (f folder) lock(ctx context.Context) (*os.File, error) {
	file, err := os.OpenFile(f.path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, f.writeError(err)
	}
	if err := f.flock(ctx, file, unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	err = file.Truncate(0)
	if err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(f.writeError(err), file.Close())
	}
	return file, nil
}

// lockShared keeps writers out while the folder is read. Where there is no lock file, nobody writes.
func (f folder) lockShared(ctx context.Context) (*os.File, error) {
	file, err := os.Open(f.path("lock"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	if err := f.flock(ctx, file, unix.LOCK_SH); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (f folder) flock(ctx context.Context, file *os.File, how int) error {
	deadline := time.NewTimer(lockWait)
	defer deadline.Stop()
	for {
		err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("lock %s: %w", file.Name(), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return &LockedError{Dir: string(f), PID: f.holder()}
		case <-time.After(lockRetry):
		}
	}
}

// holder reads who wrote the lock file.
func (f folder) holder() int {
	data, err := os.ReadFile(f.path("lock"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	return pid
}
