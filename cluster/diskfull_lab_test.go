//go:build lab

package cluster

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/novaplan/novaplan/cluster/state"
)

// TestDiskReallyFull fills a small file system until the log can't grow, then gives it more space. It
// needs root for the mount.
func TestDiskReallyFull(t *testing.T) {
	mnt := t.TempDir()
	if err := syscall.Mount("novaplan-test", mnt, "tmpfs", 0, "size=44m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(mnt, 0); err != nil {
			t.Error(err)
		}
	}()
	dir := filepath.Join(mnt, ".novaplan")
	n := open(t, dir, Options{})
	var acknowledged []string
	var err error
	for err == nil {
		data := make([]byte, 200<<10)
		_, _ = rand.Read(data)
		sum := sha256.Sum256(data)
		digest := hex.EncodeToString(sum[:])
		_, err = n.Propose(t.Context(), state.Command{PutChunk: &state.PutChunk{Digest: digest, Data: data}})
		if err == nil {
			acknowledged = append(acknowledged, digest)
		}
	}
	t.Logf("after %d chunks: %v", len(acknowledged), err)
	if !errors.Is(err, ErrDisk) || !errors.Is(err, ErrDiskFull) {
		t.Errorf("the disk is full: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrDiskFull) {
		t.Errorf("Open on a full disk: %v", err)
	}
	st, err := ReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, digest := range acknowledged {
		if _, ok := st.Chunks.Get(digest); !ok {
			t.Fatalf("chunk %s was acknowledged and is gone", digest)
		}
	}
	if err := syscall.Mount("novaplan-test", mnt, "tmpfs", syscall.MS_REMOUNT, "size=200m"); err != nil {
		t.Fatal(err)
	}
	n = open(t, dir, Options{})
	propose(t, n, inventory(1))
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}
