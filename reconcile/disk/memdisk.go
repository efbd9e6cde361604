package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/diskfs/go-diskfs/backend"
)

// memDisk is a disk image in memory, so that secrets in a config drive touch no file of ours.
type memDisk struct {
	bytes []byte
	at    int64
}

var _ backend.Storage = (*memDisk)(nil)

var errOutside = errors.New("beyond the end of the disk")

// ReadAt implements io.ReaderAt.
func (d *memDisk) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 || at >= int64(len(d.bytes)) {
		return 0, io.EOF
	}
	n := copy(p, d.bytes[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt; the disk doesn't grow.
func (d *memDisk) WriteAt(p []byte, at int64) (int, error) {
	if at < 0 || at+int64(len(p)) > int64(len(d.bytes)) {
		return 0, errOutside
	}
	return copy(d.bytes[at:], p), nil
}

// Read implements io.Reader.
func (d *memDisk) Read(p []byte) (int, error) {
	n, err := d.ReadAt(p, d.at)
	d.at += int64(n)
	return n, err
}

// Seek implements io.Seeker.
func (d *memDisk) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += d.at
	case io.SeekEnd:
		offset += int64(len(d.bytes))
	}
	if offset < 0 {
		return 0, errOutside
	}
	d.at = offset
	return offset, nil
}

// Close does nothing.
func (d *memDisk) Close() error { return nil }

// Stat describes the disk as a file.
func (d *memDisk) Stat() (fs.FileInfo, error) { return memInfo{int64(len(d.bytes))}, nil }

// Sys reports that no file is behind the disk.
func (d *memDisk) Sys() (*os.File, error) { return nil, backend.ErrNotSuitable }

// Path is empty: no file is behind the disk.
func (d *memDisk) Path() string { return "" }

// Writable returns the disk itself.
func (d *memDisk) Writable() (backend.WritableFile, error) { return d, nil }

// memInfo describes a memDisk.
type memInfo struct{ size int64 }

func (i memInfo) Name() string       { return "disk" }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) Mode() fs.FileMode  { return 0o600 }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return false }
func (i memInfo) Sys() any           { return nil }
