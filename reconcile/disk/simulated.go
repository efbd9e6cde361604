package disk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/novaplan/novaplan/spec"
)

// Simulated is a Source of images that don't exist: no network, no file. Each is a qcow2 header, or
// nothing, followed by zeros. The digest is the declared one, or else made from the location.
type Simulated struct {
	Size        int64 // bytes of each image; 0 is 200 MiB
	VirtualSize int64 // bytes of the disk in it; 0 is 256 MiB
}

var _ Source = Simulated{}

const (
	simulatedSize        = 200 << 20
	simulatedVirtualSize = 256 << 20
)

// Fetch returns the image at once.
func (s Simulated) Fetch(ctx context.Context, image spec.Image, progress Progress) (File, error) {
	if image.Format != "qcow2" && image.Format != "raw" {
		return File{}, fmt.Errorf("%w: %q is neither qcow2 nor raw", ErrFormat, image.Format)
	}
	f := File{Format: image.Format, Size: s.size(), VirtualSize: s.VirtualSize}
	if f.VirtualSize == 0 {
		f.VirtualSize = simulatedVirtualSize
	}
	if f.Format == "raw" {
		f.VirtualSize = f.Size
	}
	var ok bool
	if f.Digest, ok = knownDigest(image); !ok {
		sum := sha256.Sum256([]byte(image.Location + "\n" + image.Checksum))
		f.Digest = "sha256:" + hex.EncodeToString(sum[:])
	}
	var head []byte
	if f.Format == "qcow2" {
		head = emptyQcow2(f.VirtualSize)
	}
	f.open = func() (io.ReadSeekCloser, error) {
		return nopCloser{io.NewSectionReader(padded{bytes.NewReader(head)}, 0, f.Size)}, nil
	}
	progress.report(f.Size, f.Size)
	return f, ctx.Err()
}

// SizeOf returns the bytes that each image has.
func (s Simulated) SizeOf(context.Context, spec.Image) (int64, error) { return s.size(), nil }

func (s Simulated) size() int64 {
	if s.Size == 0 {
		return simulatedSize
	}
	return s.Size
}

// emptyQcow2 returns the header of a qcow2 file, version 3, that holds nothing.
func emptyQcow2(virtual int64) []byte {
	head := make([]byte, qcow2HeadV3)
	copy(head, qcow2Magic)
	binary.BigEndian.PutUint32(head[qcow2Version:], 3)
	binary.BigEndian.PutUint32(head[qcow2ClusterBits:], 16)
	binary.BigEndian.PutUint64(head[qcow2Size:], uint64(virtual))
	binary.BigEndian.PutUint32(head[100:], qcow2HeadV3) // header_length
	return head
}

// padded reads as its content followed by zeros without end.
type padded struct{ head *bytes.Reader }

// ReadAt fills p.
func (r padded) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	if at < r.head.Size() {
		if _, err := r.head.ReadAt(p, at); err != nil && err != io.EOF {
			return 0, err
		}
	}
	return len(p), nil
}

// nopCloser is a reader with nothing to close.
type nopCloser struct{ io.ReadSeeker }

// Close does nothing.
func (nopCloser) Close() error { return nil }
