package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// overlayOn returns the start of a qcow2 file with clusters of 512 bytes that stands on a file, and two more clusters.
func overlayOn(backing string, at uint64) []byte {
	file := bytes.Repeat([]byte{0xab}, 3*512)
	clear(file[:512])
	copy(file, emptyQcow2(1<<20))
	binary.BigEndian.PutUint32(file[qcow2ClusterBits:], 9)
	binary.BigEndian.PutUint64(file[qcow2Backing:], at)
	binary.BigEndian.PutUint32(file[qcow2BackingLen:], uint32(len(backing)))
	copy(file[at:], backing)
	return file
}

func TestRebase(t *testing.T) {
	const from = "/srv/vms/np-image-0123456789ab.qcow2"
	for name, to := range map[string]string{
		"longer": "/srv/vms/np-image-0123456789ab-12.qcow2", "shorter": "/a", "as long": strings.Replace(from, "a", "z", 1), "the same": from,
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Rebase(iotest.OneByteReader(bytes.NewReader(overlayOn(from, 200))), from, to)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if want := overlayOn(to, 200); !bytes.Equal(got, want) {
				t.Errorf("got\n%q\nwant\n%q", got, want)
			}
		})
	}
}

func TestRebaseRefuses(t *testing.T) {
	const from = "/srv/base.qcow2"
	crowded := overlayOn(from, 200)
	crowded[200+len(from)] = 1
	for name, c := range map[string]struct {
		file []byte
		to   string
		want string
	}{
		"another file":       {overlayOn("/srv/other.qcow2", 200), "/x", "not on"},
		"none":               {overlayOn("", 0), "/x", "no backing file"},
		"too long":           {overlayOn(from, 200), strings.Repeat("x", 400), "no room"},
		"something behind":   {crowded, from + "2", "no room"},
		"outside":            {overlayOn(from, 600), "/x", "no backing file"},
		"not qcow2":          {make([]byte, 1024), "/x", "not a qcow2 file"},
		"a path of 4 GiB":    {func() []byte { f := overlayOn(from, 200); binary.BigEndian.PutUint32(f[16:], 1<<32-1); return f }(), "/x", "no backing file"},
		"far behind the end": {func() []byte { f := overlayOn(from, 200); binary.BigEndian.PutUint64(f[8:], 1<<63); return f }(), "/x", "no backing file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Rebase(bytes.NewReader(c.file), from, c.to)
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := Rebase(strings.NewReader("QFI"), from, "/x"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file of three bytes: %v", err)
	}
}
