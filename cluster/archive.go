package cluster

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
)

// An archive is a tar file of three: info.json (SnapshotInfo), state.bin (state.Snapshot) and SHA256SUMS, which
// sha256sum -c understands. Restored, it is the record as it was, cluster id and epochs included.
const (
	archiveInfo  = "info.json"
	archiveState = "state.bin"
	archiveSums  = "SHA256SUMS"
	maxInfo      = 64 << 10
)

// archiveFormat is of the archive, not of the state in it.
const archiveFormat = 1

// SnapshotInfo says what an archive holds.
type SnapshotInfo struct {
	Format     int        `json:"format"`
	Created    time.Time  `json:"created"`
	By         string     `json:"by,omitempty"` // id of the member that saved it; "": embedded
	ClusterID  string     `json:"cluster_id"`
	Fleet      string     `json:"fleet"`
	Mode       state.Mode `json:"mode"`
	Level      uint32     `json:"level"`
	Index      uint64     `json:"index"` // of the last command in it
	Term       uint64     `json:"term"`  // and its term: hosts know it as an epoch
	Revision   uint64     `json:"revision"`
	Time       time.Time  `json:"time,omitzero"` // replicated time
	Hosts      int        `json:"hosts"`
	Instances  int        `json:"instances"`
	Operations int        `json:"operations"`
	Bytes      int64      `json:"bytes"`  // of state.bin
	SHA256     string     `json:"sha256"` // of state.bin
}

// Save writes the record as this member has it to w, as an archive. It works without a leader too; Verify
// first for one that lacks nothing.
func (n *Node) Save(ctx context.Context, w io.Writer) (SnapshotInfo, error) {
	st := n.State()
	if st.Level == 0 {
		return SnapshotInfo{}, fmt.Errorf("save: %w", ErrNoRecord)
	}
	by := ""
	if n.member != nil {
		by = n.member.ID
	}
	info, err := save(ctx, st, by, n.opts.Now(), n.dir.path(), w)
	if err != nil {
		return SnapshotInfo{}, fmt.Errorf("save: %w", err)
	}
	return info, nil
}

// save goes by way of a file in dir, because tar wants to know the size before.
func save(ctx context.Context, st state.State, by string, now time.Time, dir string, w io.Writer) (SnapshotInfo, error) {
	file, err := spool(dir)
	if err != nil {
		return SnapshotInfo{}, err
	}
	defer file.Close()
	sum := sha256.New()
	out := &counter{w: io.MultiWriter(file, sum), ctx: ctx}
	if err := state.Snapshot(st, out); err != nil {
		return SnapshotInfo{}, err
	}
	info := SnapshotInfo{
		Format: archiveFormat, Created: now.UTC().Truncate(time.Second), By: by, ClusterID: st.ClusterID, Fleet: st.Fleet, Mode: st.Mode,
		Level: st.Level, Index: st.Index, Term: st.Term, Revision: st.Revision, Time: st.Time, Hosts: st.Hosts.Len(),
		Instances: st.Instances.Len(), Operations: st.Operations.Len(), Bytes: out.n, SHA256: hex.EncodeToString(sum.Sum(nil)),
	}
	head, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return SnapshotInfo{}, err
	}
	head = append(head, '\n')
	headSum := sha256.Sum256(head)
	sums := fmt.Sprintf("%x  %s\n%s  %s\n", headSum, archiveInfo, info.SHA256, archiveState)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return SnapshotInfo{}, err
	}
	archive := tar.NewWriter(w)
	err = errors.Join(
		addFile(archive, archiveInfo, info.Created, int64(len(head)), bytes.NewReader(head)),
		addFile(archive, archiveState, info.Created, info.Bytes, file),
		addFile(archive, archiveSums, info.Created, int64(len(sums)), bytes.NewReader([]byte(sums))),
		archive.Close())
	return info, err
}

// spool makes a file that is gone when it is closed.
func spool(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "archive-*.tmp")
	if err != nil {
		return nil, err
	}
	return file, os.Remove(file.Name())
}

func addFile(archive *tar.Writer, name string, at time.Time, size int64, r io.Reader) error {
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: at, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := io.Copy(archive, r)
	return err
}

// counter counts what passes, until ctx is done.
type counter struct {
	w   io.Writer
	n   int64
	ctx context.Context
}

// Write passes p on.
func (c *counter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// InspectSnapshot reads an archive to its end, checks it, and says what it holds. Errors: state.ErrCorrupt,
// state.ErrNewer.
func InspectSnapshot(r io.Reader) (SnapshotInfo, error) {
	info, _, err := unpack(r, io.Discard)
	return info, err
}

// unpack reads an archive, writes its state.bin to w as well, and returns the state. Nothing of it
// may be used before unpack returned.
func unpack(r io.Reader, w io.Writer) (info SnapshotInfo, st state.State, err error) {
	archive := tar.NewReader(r)
	sums := map[string]string{}
	var head, listed []byte
	for range 3 {
		h, err := archive.Next()
		if err != nil {
			return info, st, fmt.Errorf("not an archive of a record, or cut off: %w: %v", state.ErrCorrupt, err)
		}
		sum := sha256.New()
		switch h.Name {
		case archiveInfo:
			head, err = io.ReadAll(io.TeeReader(io.LimitReader(archive, maxInfo), sum))
		case archiveState:
			st, err = readState(archive, io.MultiWriter(w, sum))
		case archiveSums:
			listed, err = io.ReadAll(io.LimitReader(archive, maxInfo))
		default:
			err = fmt.Errorf("%q is in the archive: %w", h.Name, state.ErrCorrupt)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("cut off: %w", state.ErrCorrupt)
		}
		if err != nil {
			return info, st, fmt.Errorf("archive: %s: %w", h.Name, err)
		}
		sums[h.Name] = hex.EncodeToString(sum.Sum(nil))
	}
	want := fmt.Sprintf("%s  %s\n%s  %s\n", sums[archiveInfo], archiveInfo, sums[archiveState], archiveState)
	if string(listed) != want {
		return info, st, fmt.Errorf("archive: checksums don't match: %w", state.ErrCorrupt)
	}
	if err := json.Unmarshal(head, &info); err != nil {
		return info, st, fmt.Errorf("archive: %w: %v", state.ErrCorrupt, err)
	}
	if info.Format > archiveFormat {
		return info, st, fmt.Errorf("archive format %d: %w", info.Format, state.ErrNewer)
	}
	return info, st, nil
}

// readState decodes state.bin, and passes all of it on even where the decoder stops early.
func readState(r io.Reader, w io.Writer) (state.State, error) {
	tee := io.TeeReader(r, w)
	st, err := state.Restored(bufio.NewReader(tee))
	if err != nil {
		return state.State{}, err
	}
	_, err = io.Copy(io.Discard, tee)
	return st, err
}
