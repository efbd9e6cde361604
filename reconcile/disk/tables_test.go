package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// filled is a whole qcow2 file of six 64 KiB clusters: header, refcounts, L1, L2, and two of data, the last one
// compressed.
func filled(version uint32) []byte {
	const cluster = 1 << 16
	file := make([]byte, 6*cluster)
	copy(file, qcow2(func(head []byte) {
		binary.BigEndian.PutUint32(head[qcow2Version:], version)
		binary.BigEndian.PutUint32(head[qcow2ClusterBits:], 16)
		binary.BigEndian.PutUint32(head[qcow2L1Size:], 2)
		binary.BigEndian.PutUint64(head[qcow2L1:], 2*cluster)
		binary.BigEndian.PutUint64(head[qcow2Refcounts:], cluster)
		binary.BigEndian.PutUint32(head[qcow2RefcountsSize:], 1)
	}))
	binary.BigEndian.PutUint64(file[2*cluster:], 3*cluster|1<<63)
	binary.BigEndian.PutUint64(file[3*cluster:], 4*cluster|1<<63)
	binary.BigEndian.PutUint64(file[3*cluster+8:], 5*cluster+100|1<<62)
	binary.BigEndian.PutUint64(file[3*cluster+16:], 77*cluster|1) // reads as zero
	return file
}

func TestInspectFindsWhatIsCutOff(t *testing.T) {
	for _, version := range []uint32{2, 3} {
		whole := filled(version)
		if _, err := Inspect(bytes.NewReader(whole), int64(len(whole)), "qcow2"); err != nil {
			t.Fatalf("version %d, whole: %v", version, err)
		}
		for size, what := range map[int]string{
			5<<16 + 50: "data begins", 4 << 16: "data begins", 3<<16 + 100: "an L2 table begins",
			2<<16 + 4: "its L1 table begins", 1 << 16: "its refcount table begins",
		} {
			_, err := Inspect(bytes.NewReader(whole[:size]), int64(size), "qcow2")
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), what) {
				t.Errorf("version %d, the first %d bytes: %v, want %q", version, size, err, what)
			}
		}
	}
	absurd := filled(3)
	binary.BigEndian.PutUint32(absurd[qcow2L1Size:], 1<<31)
	if _, err := Inspect(bytes.NewReader(absurd), int64(len(absurd)), "qcow2"); err == nil {
		t.Error("an L1 table of 16 GiB is believed")
	}
}
