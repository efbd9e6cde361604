package state

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"
)

// A snapshot is a magic line, one byte of format version, and a zstd stream of rows: length (4 bytes, big
// endian) and CBOR. The last row holds the SHA-256 of all rows before it. Rows come in a fixed
// order, tables by key, so equal states give equal bytes.
const (
	snapshotMagic   = "novaplan record\n"
	snapshotVersion = 1
	maxRow          = 64 << 20
)

// row is one element of a snapshot: the head, one value of a table, or the end.
type row struct {
	Table string          `json:"t"`
	Key   string          `json:"k,omitempty"`
	Value cbor.RawMessage `json:"v"`
}

type head struct {
	Level     uint32    `json:"level"`
	Mode      Mode      `json:"mode"`
	ClusterID string    `json:"cluster_id"`
	Fleet     string    `json:"fleet"`
	Index     uint64    `json:"index"`
	Term      uint64    `json:"term"`
	Time      time.Time `json:"time,omitzero"`
	ClockJump time.Time `json:"clock_jump,omitzero"`
	Approvals uint64    `json:"approvals"`
	LastEvent uint64    `json:"last_event"`
	Revision  uint64    `json:"revision"`
	// Of LevelServed:
	TokensBegun bool     `json:"tokens_begun,omitempty"`
	Settings    Settings `json:"settings,omitzero"`
}

const (
	tableHead = "head"
	tableEnd  = "end"
)

// Snapshot writes all of st to w, a row at a time.
func Snapshot(st State, w io.Writer) error {
	if _, err := io.WriteString(w, snapshotMagic+string(rune(snapshotVersion))); err != nil {
		return err
	}
	zw, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(zw, 64<<10)
	sum := sha256.New()
	if err := writeRows(st, io.MultiWriter(buffered, sum)); err != nil {
		return err
	}
	end, err := encoder.Marshal(sum.Sum(nil))
	if err != nil {
		return err
	}
	if err := writeRow(buffered, tableEnd, "", cbor.RawMessage(end)); err != nil {
		return err
	}
	return errors.Join(buffered.Flush(), zw.Close())
}

// Digest names a state by its content: hex SHA-256 of the rows of its snapshot.
func Digest(st State) string {
	sum := sha256.New()
	if err := writeRows(st, sum); err != nil {
		panic(fmt.Sprintf("state: a digest can't fail: %v", err)) // only a type that CBOR can't hold
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func writeRows(st State, w io.Writer) error {
	h := head{
		Level: st.Level, Mode: st.Mode, ClusterID: st.ClusterID, Fleet: st.Fleet, Index: st.Index, Term: st.Term,
		Time: st.Time, ClockJump: st.ClockJump, Approvals: st.Approvals, LastEvent: st.LastEvent, Revision: st.Revision,
		TokensBegun: st.TokensBegun, Settings: st.Settings,
	}
	if err := writeRow(w, tableHead, "", h); err != nil {
		return err
	}
	for _, t := range tables() {
		if err := t.write(st, w); err != nil {
			return fmt.Errorf("snapshot: %s: %w", t.name, err)
		}
	}
	return nil
}

func writeRow(w io.Writer, table, key string, v any) error {
	value, err := encoder.Marshal(v)
	if err != nil {
		return err
	}
	data, err := encoder.Marshal(row{Table: table, Key: key, Value: value})
	if err != nil {
		return err
	}
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(data)))
	if _, err := w.Write(length[:]); err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// table says how one map of the State is written and read: rows are gathered and put in at once.
type table struct {
	name  string
	write func(State, io.Writer) error
	read  func(key string, data []byte) error
	done  func(*State)
}

// tables are written in this order, which is part of the format.
func tables() []table {
	return []table{
		tableOf("chunk", func(st *State) *Map[*Chunk] { return &st.Chunks }),
		tableOf("revision", func(st *State) *Map[*Revision] { return &st.Revisions }),
		tableOf("host", func(st *State) *Map[*Host] { return &st.Hosts }),
		tableOf("instance", func(st *State) *Map[*Instance] { return &st.Instances }),
		tableOf("operation", func(st *State) *Map[*Operation] { return &st.Operations }),
		tableOf("trash", func(st *State) *Map[*Trash] { return &st.Trash }),
		tableOf("life", func(st *State) *Map[uint32] { return &st.Lives }),
		tableOf("event", func(st *State) *Map[*Event] { return &st.History }),
		tableOf("token", func(st *State) *Map[*Token] { return &st.Tokens }),
		tableOf("plan", func(st *State) *Map[*PendingPlan] { return &st.Plans }),
		tableOf("request", func(st *State) *Map[*Request] { return &st.Requests }),
		tableOf("image", func(st *State) *Map[*CachedImage] { return &st.Images }),
	}
}

func tableOf[V any](name string, in func(*State) *Map[V]) table {
	keys, values := []string{}, []V{}
	return table{
		name: name,
		write: func(st State, w io.Writer) error {
			for key, v := range in(&st).All() {
				if err := writeRow(w, name, key, v); err != nil {
					return fmt.Errorf("%s: %w", key, err)
				}
			}
			return nil
		},
		read: func(key string, data []byte) error {
			var v V
			if err := decode(data, &v); err != nil {
				return fmt.Errorf("%s %s: %w", name, key, err)
			}
			keys, values = append(keys, key), append(values, v)
			return nil
		},
		done: func(st *State) {
			m := in(st)
			*m = m.Edit(func(put func(string, V), _ func(string)) {
				for i := range keys {
					put(keys[i], values[i])
				}
			})
		},
	}
}

// Restored reads what Snapshot wrote. A format or field that this binary doesn't know is ErrNewer; anything
// else that is wrong is ErrCorrupt.
func Restored(r io.Reader) (State, error) {
	start := make([]byte, len(snapshotMagic)+1)
	if _, err := io.ReadFull(r, start); err != nil || string(start[:len(snapshotMagic)]) != snapshotMagic {
		return State{}, fmt.Errorf("not a snapshot of a record: %w", ErrCorrupt)
	}
	if v := start[len(snapshotMagic)]; v != snapshotVersion {
		return State{}, fmt.Errorf("snapshot format %d: %w", v, ErrNewer)
	}
	zr, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return State{}, err
	}
	defer zr.Close()
	st, err := readRows(bufio.NewReaderSize(zr, 64<<10))
	if err != nil {
		return State{}, fmt.Errorf("snapshot: %w", err)
	}
	return st.decoded()
}

func readRows(r io.Reader) (State, error) {
	st := State{}
	headed := false
	readers := map[string]func(string, []byte) error{}
	readers[tableHead] = func(_ string, data []byte) error {
		headed = true
		return readHead(&st, data)
	}
	all := tables()
	for _, t := range all {
		readers[t.name] = t.read
	}
	sum := sha256.New()
	for {
		next, err := readRow(r, sum)
		if err != nil {
			return State{}, err
		}
		if !headed && next.Table != tableHead {
			return State{}, fmt.Errorf("no head: %w", ErrCorrupt)
		}
		if next.Table == tableEnd {
			for _, t := range all {
				t.done(&st)
			}
			return st, checkEnd(next.Value, sum)
		}
		read := readers[next.Table]
		if read == nil {
			return State{}, fmt.Errorf("table %q: %w", next.Table, ErrNewer)
		}
		if err := read(next.Key, next.Value); err != nil {
			return State{}, err
		}
	}
}

// readRow reads one row and adds it to sum, unless it is the end.
func readRow(r io.Reader, sum hash.Hash) (row, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return row{}, fmt.Errorf("cut off: %w: %v", ErrCorrupt, err)
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxRow {
		return row{}, fmt.Errorf("a row of %d bytes: %w", n, ErrCorrupt)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return row{}, fmt.Errorf("cut off: %w: %v", ErrCorrupt, err)
	}
	var next row
	if err := decode(data, &next); err != nil {
		return row{}, err
	}
	if next.Table != tableEnd {
		_, _ = sum.Write(length[:])
		_, _ = sum.Write(data)
	}
	return next, nil
}

func readHead(st *State, data []byte) error {
	var h head
	if err := decode(data, &h); err != nil {
		return err
	}
	if h.Level > Level {
		return fmt.Errorf("level %d is needed, this novaplan has %d: %w", h.Level, Level, ErrNewer)
	}
	st.Level, st.Mode, st.ClusterID, st.Fleet, st.Index, st.Term = h.Level, h.Mode, h.ClusterID, h.Fleet, h.Index, h.Term
	st.Time, st.ClockJump = h.Time, h.ClockJump
	st.Approvals, st.LastEvent, st.Revision = h.Approvals, h.LastEvent, h.Revision
	st.TokensBegun, st.Settings = h.TokensBegun, h.Settings
	return nil
}

func checkEnd(value []byte, sum hash.Hash) error {
	var want []byte
	if err := decode(value, &want); err != nil {
		return err
	}
	if !bytes.Equal(want, sum.Sum(nil)) {
		return fmt.Errorf("checksum: %w", ErrCorrupt)
	}
	return nil
}

// decoded rebuilds what a snapshot leaves out: the desired spec and the lookup tables.
func (st State) decoded() (State, error) {
	if st.Revision > 0 {
		rev, ok := st.RevisionByNumber(st.Revision)
		if !ok {
			return State{}, fmt.Errorf("revision %d is missing: %w", st.Revision, ErrCorrupt)
		}
		wanted, err := st.SpecOf(rev)
		if err != nil {
			return State{}, err
		}
		st.Desired = NewDesired(wanted)
	}
	return st.Reindex(), nil
}
