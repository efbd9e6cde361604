package cluster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/novaplan/novaplan/cluster/state"
)

// faulty fails or delays writes of the log on demand.
type faulty struct {
	storage
	err   atomic.Pointer[error]
	delay atomic.Pointer[chan struct{}] // a write waits for it
}

// hang holds all writes of commands until the channel that it returns is closed.
func (f *faulty) hang() chan struct{} {
	until := make(chan struct{})
	f.delay.Store(&until)
	return until
}

// StoreLogs fails, waits or works.
func (f *faulty) StoreLogs(logs []*raft.Log) error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	if until := f.delay.Load(); until != nil && logs[0].Type == raft.LogCommand {
		<-*until
	}
	return f.storage.StoreLogs(logs)
}

// SetUint64 fails as the log does: it is the same disk.
func (f *faulty) SetUint64(key []byte, v uint64) error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return f.storage.SetUint64(key, v)
}

func TestDiskFullWhileLogging(t *testing.T) {
	dir := newDir(t)
	var disk *faulty
	n := open(t, dir, Options{wrap: func(s storage) storage {
		disk = &faulty{storage: s}
		return disk
	}})
	propose(t, n, inventory(1))
	before := n.State()
	full := error(&fs.PathError{Op: "write", Path: "x.wal", Err: syscall.ENOSPC})
	disk.err.Store(&full)
	_, err := n.Propose(t.Context(), inventory(2))
	if !errors.Is(err, ErrDisk) || !errors.Is(err, ErrDiskFull) {
		t.Fatalf("propose on a full disk: %v", err)
	}
	<-n.Down()
	if _, _, err := n.Leadership(t.Context()); !errors.Is(err, ErrDisk) {
		t.Errorf("leadership on a full disk: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := ReadOnly(t.Context(), dir)
	if err != nil || state.Digest(st) != state.Digest(before) {
		t.Errorf("the record is not what it was: %v", err)
	}
	propose(t, open(t, dir, Options{}), inventory(2))
}

func TestHangingDiskIsReported(t *testing.T) {
	hung := make(chan error, 1)
	disk := &faulty{}
	n := open(t, newDir(t), Options{DiskLimit: 20 * time.Millisecond, Fatal: func(err error) {
		select {
		case hung <- err:
		default:
		}
	}, wrap: func(s storage) storage {
		disk.storage = s
		return disk
	}})
	release := disk.hang()
	done := make(chan error, 1)
	go func() {
		_, err := n.Propose(t.Context(), inventory(1))
		done <- err
	}()
	if err := <-hung; !errors.Is(err, ErrDisk) {
		t.Errorf("the watchdog says %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// written makes a record with n inventories in it and closes it.
func written(t testing.TB, n int) (dir string, st state.State) {
	t.Helper()
	dir = newDir(t)
	node := open(t, dir, Options{Mode: state.Sim})
	for i := range n {
		propose(t, node, inventory(i))
	}
	st = node.State()
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, st
}

func segment(t testing.TB, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "raft", "wal", "*.wal"))
	if err != nil || len(files) != 1 {
		t.Fatalf("segments: %v, %v", files, err)
	}
	return files[0]
}

// end is the offset behind the last byte of the log that is not zero.
func end(data []byte) int { return len(bytes.TrimRight(data, "\x00")) }

// TestTornOrGarbledTail damages the end of the log at random: either everything acknowledged is there, or
// Open and ReadOnly say that the record is damaged; nothing is lost silently, and nothing panics.
func TestTornOrGarbledTail(t *testing.T) {
	dir, want := written(t, 12)
	path := segment(t, dir)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := end(whole)
	random := rand.New(rand.NewPCG(7, 7))
	found := map[string]int{}
	for range 60 {
		data := bytes.Clone(whole)
		at := random.IntN(last + 400)
		kind := []string{"cut", "garbled", "flipped"}[random.IntN(3)]
		switch kind {
		case "cut":
			clear(data[at:])
		case "garbled":
			for i := at; i < min(at+64, len(data)); i++ {
				data[i] = byte(random.Uint32())
			}
		case "flipped":
			data[at] ^= 1 << random.IntN(8)
		}
		copied := copyOf(t, dir)
		if err := os.WriteFile(segment(t, copied), data, 0o600); err != nil {
			t.Fatal(err)
		}
		st, err := ReadOnly(t.Context(), copied)
		switch {
		case err == nil && st.Hosts.Len() != want.Hosts.Len():
			t.Fatalf("%s at %d of %d: %d of %d hosts, no error", kind, at, last, st.Hosts.Len(), want.Hosts.Len())
		case err == nil:
			found["whole"]++
		case errors.Is(err, state.ErrCorrupt), errors.Is(err, state.ErrNewer):
			found["damaged"]++
		default:
			t.Fatalf("%s at %d of %d: %v", kind, at, last, err)
		}
		n, openErr := Open(t.Context(), copied, Options{})
		if (openErr == nil) != (err == nil) {
			t.Fatalf("%s at %d of %d: ReadOnly %v, Open %v", kind, at, last, err, openErr)
		}
		if openErr == nil {
			propose(t, n, inventory(99))
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if found["whole"] == 0 || found["damaged"] == 0 {
		t.Errorf("one-sided: %v", found)
	}
}

// TestTornWriteIsForgotten is kill -9 in the middle of a write: entries without the end of their batch.
func TestTornWriteIsForgotten(t *testing.T) {
	dir, want := written(t, 3)
	path := segment(t, dir)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := (end(data) + 7) / 8 * 8
	copy(data[last:], []byte{1, 0, 0, 0, 40, 0, 0, 0, 'h', 'a', 'l', 'f'})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	n := open(t, dir, Options{})
	if n.State().Hosts.Len() != want.Hosts.Len() {
		t.Errorf("%d hosts, want %d", n.State().Hosts.Len(), want.Hosts.Len())
	}
}

func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to := newDir(t)
	if err := copyTree(to, dir); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestLogOfANewerNovaplan(t *testing.T) {
	dir, _ := written(t, 2)
	log, mark, err := openWAL(filepath.Join(dir, "raft", "wal"), nullLogger())
	if err != nil {
		t.Fatal(err)
	}
	last, err := log.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("from the future")
	data := binary.BigEndian.AppendUint32([]byte{99}, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	entry := &raft.Log{Index: last + 1, Term: 9, Type: raft.LogCommand, Data: append(data, body...)}
	if err := errors.Join(log.StoreLog(entry), mark.set(last+1), log.Close(), mark.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, state.ErrNewer) {
		t.Errorf("Open: %v", err)
	}
	if _, err := ReadOnly(t.Context(), dir); !errors.Is(err, state.ErrNewer) {
		t.Errorf("ReadOnly: %v", err)
	}
}

func TestFolderOfANewerNovaplan(t *testing.T) {
	dir, _ := written(t, 1)
	if err := os.WriteFile(filepath.Join(dir, "version"), []byte("2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{Create: true}); !errors.Is(err, state.ErrNewer) {
		t.Errorf("Open: %v", err)
	}
}

func TestLostLogIsNoticed(t *testing.T) {
	dir, _ := written(t, 5)
	if err := os.RemoveAll(filepath.Join(dir, "raft", "wal")); err != nil {
		t.Fatal(err)
	}
	_, err := ReadOnly(t.Context(), dir)
	if !errors.Is(err, state.ErrCorrupt) || !strings.Contains(err.Error(), "takeover") {
		t.Errorf("ReadOnly: %v", err)
	}
	_, err = Open(t.Context(), dir, Options{Create: true})
	if !errors.Is(err, state.ErrCorrupt) || !strings.Contains(err.Error(), "takeover") {
		t.Errorf("Open: %v", err)
	}
}

// TestDamagedIndexOfTheLog: what the log's own index is read with panics on most of these.
func TestDamagedIndexOfTheLog(t *testing.T) {
	damages := map[string]func([]byte) []byte{
		"empty":   func([]byte) []byte { return nil },
		"garbage": func(b []byte) []byte { return bytes.Repeat([]byte("garbage\n"), len(b)/8) },
		"torn":    func(b []byte) []byte { return b[:len(b)/8] },
		"zeros":   func(b []byte) []byte { return make([]byte, len(b)) },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			dir, _ := written(t, 5)
			path := filepath.Join(dir, "raft", "wal", "wal-meta.db")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadOnly(t.Context(), dir); !errors.Is(err, state.ErrCorrupt) || !strings.Contains(err.Error(), "takeover") {
				t.Errorf("ReadOnly: %v", err)
			}
			if _, err := Open(t.Context(), dir, Options{Create: true}); !errors.Is(err, state.ErrCorrupt) || !strings.Contains(err.Error(), "takeover") {
				t.Errorf("Open: %v", err)
			}
		})
	}
}

func TestDamagedSnapshot(t *testing.T) {
	dir := newDir(t)
	n := open(t, dir, Options{})
	propose(t, n, inventory(1))
	if err := n.raft.Snapshot().Error(); err != nil {
		t.Fatal(err)
	}
	propose(t, n, inventory(2))
	want := state.Digest(n.State())
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open(t, dir, Options{})
	if state.Digest(n.State()) != want {
		t.Error("another state from snapshot and log")
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "raft", "snapshots", "*", "state.bin"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, state.ErrCorrupt) {
		t.Errorf("Open: %v", err)
	}
	if _, err := ReadOnly(t.Context(), dir); !errors.Is(err, state.ErrCorrupt) {
		t.Errorf("ReadOnly: %v", err)
	}
}

// TestReadOnlyWritesNothing compares the folder before and after.
func TestReadOnlyWritesNothing(t *testing.T) {
	dir, _ := written(t, 3)
	before := listing(t, dir)
	if _, err := ReadOnly(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if after := listing(t, dir); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var sum uint32
		if !d.IsDir() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum = crc32.ChecksumIEEE(data)
		}
		fmt.Fprintln(&b, path, info.Mode(), info.ModTime(), sum)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestReadOnlyFolder needs a user whom file modes stop. Root is none, and runs it again as nobody.
func TestReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		asNobody(t)
		return
	}
	dir, want := written(t, 3)
	for _, d := range []string{filepath.Join(dir, "raft", "wal"), filepath.Join(dir, "raft"), dir} {
		if err := os.Chmod(d, 0o500); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(d, 0o700) })
	}
	if err := os.Chmod(filepath.Join(dir, "lock"), 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Open: %v", err)
	}
	st, err := ReadOnly(t.Context(), dir)
	if err != nil || state.Digest(st) != state.Digest(want) {
		t.Errorf("ReadOnly: %v", err)
	}
}

// asNobody runs the test once more, in a process of a user without rights.
func asNobody(t *testing.T) {
	const nobody = 65534
	again := exec.Command("/proc/self/exe", "-test.v", "-test.run", "^"+t.Name()+"$")
	again.Dir, again.Env = "/", []string{"TMPDIR=/tmp"}
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := again.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

func TestWriteErrorsAreTold(t *testing.T) {
	f := folder("/x/.novaplan")
	for err, want := range map[error]error{
		&fs.PathError{Op: "open", Path: "lock", Err: syscall.EROFS}:  ErrReadOnly,
		&fs.PathError{Op: "open", Path: "lock", Err: syscall.EACCES}: ErrReadOnly,
		&fs.PathError{Op: "write", Path: "v", Err: syscall.ENOSPC}:   ErrDiskFull,
		&fs.PathError{Op: "write", Path: "v", Err: syscall.EDQUOT}:   ErrDiskFull,
	} {
		if got := f.writeError(err); !errors.Is(got, want) || !strings.Contains(got.Error(), "/x/.novaplan") {
			t.Errorf("%v: %v", err, got)
		}
	}
}
