package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// qcow2 returns a header of 1 GiB after changes to it.
func qcow2(change func(head []byte)) []byte {
	head := append(emptyQcow2(1<<30), make([]byte, 1024)...)
	change(head)
	return head
}

func put32(at int, v uint32) func([]byte) {
	return func(h []byte) { binary.BigEndian.PutUint32(h[at:], v) }
}

func put64(at int, v uint64) func([]byte) {
	return func(h []byte) { binary.BigEndian.PutUint64(h[at:], v) }
}

func keep([]byte) {}

func TestInspectAccepts(t *testing.T) {
	for name, tc := range map[string]struct {
		content []byte
		format  string
		virtual int64
	}{
		"version 3":       {qcow2(keep), "qcow2", 1 << 30},
		"version 2":       {qcow2(put32(qcow2Version, 2)), "qcow2", 1 << 30},
		"dirty, zstd, l2": {qcow2(put64(qcow2Incompat, 1|1<<3|1<<4)), "qcow2", 1 << 30},
		"raw":             {make([]byte, 4096), "raw", 4096},
		"raw, odd size":   {make([]byte, 1000), "raw", 1024},
		"raw, tiny":       {[]byte{0}, "raw", 512},
	} {
		got, err := Inspect(bytes.NewReader(tc.content), int64(len(tc.content)), tc.format)
		if err != nil || got != tc.virtual {
			t.Errorf("%s: %d, %v; want %d", name, got, err, tc.virtual)
		}
	}
}

func TestInspectRefuses(t *testing.T) {
	at := func(offset int, s string) []byte {
		b := make([]byte, 4096)
		copy(b[offset:], s)
		return b
	}
	for name, tc := range map[string]struct {
		content []byte
		format  string
		says    string
	}{
		"backing file":    {qcow2(put64(qcow2Backing, 512)), "qcow2", "backing file"},
		"data file":       {qcow2(put64(qcow2Incompat, 1<<2)), "qcow2", "external file"},
		"corrupt":         {qcow2(put64(qcow2Incompat, 1<<1)), "qcow2", "corrupt"},
		"unknown feature": {qcow2(put64(qcow2Incompat, 1<<9)), "qcow2", "0x200"},
		"AES":             {qcow2(put32(qcow2Crypt, 1)), "qcow2", "encrypted"},
		"LUKS in qcow2":   {qcow2(put32(qcow2Crypt, 2)), "qcow2", "encrypted"},
		"version 4":       {qcow2(put32(qcow2Version, 4)), "qcow2", "version 4"},
		"cluster size":    {qcow2(put32(qcow2ClusterBits, 60)), "qcow2", "cluster size"},
		"no size":         {qcow2(put64(qcow2Size, 0)), "qcow2", "0 bytes"},
		"absurd size":     {qcow2(put64(qcow2Size, 1<<63)), "qcow2", "bytes"},
		"cut off":         {qcow2(keep)[:80], "qcow2", "cut off"},
		"cut off early":   {qcow2(keep)[:20], "qcow2", "cut off"},
		"raw as qcow2":    {make([]byte, 4096), "qcow2", "not a qcow2 file"},
		"vmdk as qcow2":   {at(0, "KDMV"), "qcow2", "looks like vmdk"},
		"qcow2 as raw":    {qcow2(keep), "raw", "looks like qcow2"},
		"vmdk as raw":     {at(0, "KDMV"), "raw", "vmdk"},
		"vhdx as raw":     {at(0, "vhdxfile"), "raw", "vhdx"},
		"vdi as raw":      {at(64, "\x7f\x10\xda\xbe"), "raw", "vdi"},
		"dynamic vhd":     {at(0, "conectix"), "raw", "vhd"},
		"fixed vhd":       {at(4096-512, "conectix"), "raw", "vhd"},
		"LUKS as raw":     {at(0, "LUKS\xba\xbe"), "raw", "encrypted"},
		"xz":              {at(0, "\xfd7zXZ\x00"), "raw", "unpack"},
		"error page":      {[]byte("<!DOCTYPE html><title>Not found"), "qcow2", "web page"},
		"empty":           {nil, "raw", "empty"},
		"empty qcow2":     {nil, "qcow2", "not a qcow2"},
		"unheard-of":      {make([]byte, 512), "vmdk", "neither"},
	} {
		_, err := Inspect(bytes.NewReader(tc.content), int64(len(tc.content)), tc.format)
		if !errors.Is(err, ErrFormat) || !errors.Is(err, ErrImage) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want an ErrFormat that says %q", name, err, tc.says)
		}
	}
}

// No content makes the reader panic, and what is accepted has a size that a disk can have.
func FuzzInspect(f *testing.F) {
	f.Add(qcow2(keep), true)
	f.Add([]byte("raw"), false)
	f.Fuzz(func(t *testing.T, content []byte, isQcow2 bool) {
		format := map[bool]string{true: "qcow2", false: "raw"}[isQcow2]
		virtual, err := Inspect(bytes.NewReader(content), int64(len(content)), format)
		if err == nil && virtual <= 0 {
			t.Errorf("a disk of %d bytes", virtual)
		}
	})
}
