package watch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Sum is a digest of what was found somewhere: of a file's content, of a folder's list of files, or of the
// reason why there is nothing to read.
type Sum [sha256.Size]byte

// MarshalText writes a Sum as hexadecimal digits.
func (s Sum) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%x", s[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Sum) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(s[:], text[:min(len(text), 2*len(s))]); err != nil || n != len(s) || len(text) != 2*len(s) {
		return fmt.Errorf("%q is no digest", text)
	}
	return nil
}

// SumOf returns the Sum of a file's content.
func SumOf(content []byte) Sum { return sum("file", content) }

func sum(kind string, content []byte) Sum {
	h := sha256.New()
	fmt.Fprintf(h, "%s %d\n", kind, len(content))
	h.Write(content)
	return Sum(h.Sum(nil))
}

// SumAt returns the Sum of what is at path now: of a file's content, or of the names below a folder.
func SumAt(path string) Sum {
	content, s, _ := read(path)
	if content != nil {
		return SumOf(content)
	}
	return s
}

func digestOf(sums map[string]Sum) Sum {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(sums)) {
		s := sums[path]
		fmt.Fprintf(h, "%d %s %x\n", len(path), path, s[:])
	}
	return Sum(h.Sum(nil))
}

// snapshot is what one look found.
type snapshot struct {
	files map[string][]byte
	sums  map[string]Sum // by absolute path
	stamp string         // see eyes.glance
	torn  bool           // a file changed while it was read
}

// looker is the eyes on a real file system.
type looker struct {
	dir   string
	match func(string) bool
}

// Bounds of what is looked at. What is larger than a spec can be is known by its size and time only.
const (
	maxFile  = 32 << 20
	maxNames = 20_000
)

func (l *looker) look(included []string) snapshot {
	found := snapshot{files: map[string][]byte{}, sums: map[string]Sum{}, stamp: l.glance(included)}
	entries, err := l.entries()
	if err != nil {
		found.sums[l.dir] = sum("error", []byte(reason(err)))
	}
	for _, e := range entries {
		name, path := e.Name(), filepath.Join(l.dir, e.Name())
		content, s, torn := read(path)
		if content != nil {
			found.files[name], s = content, SumOf(content)
		}
		found.sums[path], found.torn = s, found.torn || torn
	}
	for _, path := range included {
		if _, known := found.sums[path]; !known {
			found.sums[path] = SumAt(path)
		}
	}
	found.torn = found.torn || l.glance(included) != found.stamp
	return found
}

// entries lists what counts in the folder.
func (l *looker) entries() ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return dropping(e.Name()) || !l.match(e.Name()) }), nil
}

// read returns the content of a regular file; for anything else its Sum. A file that grows or shrinks while it is
// read is torn.
func read(path string) (content []byte, s Sum, torn bool) {
	// Not blocking: a pipe must not hold us up.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, sum("error", []byte(reason(err))), false
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, sum("error", []byte(reason(err))), false
	case info.IsDir():
		return nil, sum("folder", listing(path)), false
	case !info.Mode().IsRegular():
		return nil, sum("special", []byte(info.Mode().Type().String())), false
	case info.Size() > maxFile:
		return nil, sum("large", fmt.Appendf(nil, "%d %d", info.Size(), info.ModTime().UnixNano())), false
	}
	content = make([]byte, info.Size()+1) // one more: a file that grew doesn't fit
	n, err := io.ReadFull(f, content)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, sum("error", []byte(reason(err))), false
	}
	content = content[:n:n]
	if after, err := f.Stat(); err != nil || after.Size() != int64(len(content)) || !after.ModTime().Equal(info.ModTime()) {
		torn = true
	}
	return content, Sum{}, torn
}

// listing names the files below a folder, one a line.
func listing(root string) []byte {
	var names bytes.Buffer
	left := maxNames
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if left--; left < 0 {
			return fs.SkipAll
		}
		if err == nil && d.IsDir() && path != root && dropping(d.Name()) {
			return fs.SkipDir // the record, and what git keeps
		}
		if err == nil && !d.IsDir() && !dropping(d.Name()) {
			names.WriteString(strings.TrimPrefix(path, root) + "\n")
		}
		return nil // what can't be read has no names
	})
	return names.Bytes()
}

// glance tells saves apart by what a stat shows: identity, size and time of everything that counts.
func (l *looker) glance(included []string) string {
	var b strings.Builder
	entries, err := l.entries()
	if err != nil {
		b.WriteString(reason(err))
	}
	note := func(path string) {
		info, err := os.Stat(path)
		if err != nil {
			fmt.Fprintf(&b, "%s %s\n", path, reason(err))
			return
		}
		dev, ino := identity(info)
		fmt.Fprintf(&b, "%s %d %d %d %d %s\n", path, dev, ino, info.Size(), info.ModTime().UnixNano(), info.Mode())
	}
	for _, e := range entries {
		note(filepath.Join(l.dir, e.Name()))
	}
	for _, path := range slices.Sorted(slices.Values(included)) {
		note(path)
	}
	if info, err := os.Stat(l.dir); err == nil {
		dev, ino := identity(info)
		fmt.Fprintf(&b, "%d %d\n", dev, ino)
	}
	return b.String()
}

// reason is an error without the path and the call: they may differ though nothing changed.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// identity tells files apart that come to have the same path.
func identity(info fs.FileInfo) (dev, ino uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), st.Ino
	}
	return 0, 0
}
