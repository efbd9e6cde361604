package disk

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/novaplan/novaplan/spec"
)

// sha256Of and sha512Of are checksums as a spec has them.
func sha256Of(b []byte) string { s := sha256.Sum256(b); return "sha256:" + hex.EncodeToString(s[:]) }
func sha512Of(b []byte) string { s := sha512.Sum512(b); return "sha512:" + hex.EncodeToString(s[:]) }

// testImage is a whole qcow2 image that needs several writes to send.
func testImage() []byte {
	b := append(emptyQcow2(1<<30), make([]byte, 300_000)...)
	for i := 200; i < len(b); i++ {
		b[i] = byte(i * i >> 7)
	}
	return b
}

func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := NewStore(filepath.Join(t.TempDir(), "images"), StoreOptions{MaxBytes: 1 << 20, Attempts: 3, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantKind(t *testing.T, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) || kind == nil && err != nil {
		t.Errorf("%s: %v, want %v", what, err, kind)
	}
}

// wantWhole checks that file is exactly the content.
func wantWhole(t *testing.T, file File, err error, content []byte) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file.Path)
	if err != nil || string(got) != string(content) {
		t.Errorf("%s has %d bytes of %d, %v", file.Path, len(got), len(content), err)
	}
	if file.Digest != sha256Of(content) || file.Size != int64(len(content)) || file.VirtualSize != 1<<30 {
		t.Errorf("file = %+v", file)
	}
}

// names lists the store's folder, checking that nobody else may read it.
func names(t *testing.T, s *Store) (list []string) {
	t.Helper()
	err := filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		if !e.IsDir() {
			list = append(list, filepath.Ext(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestDownloadOnce(t *testing.T) {
	content := testImage()
	for _, sum := range []string{sha256Of(content), sha512Of(content)} {
		srv := serve(t, content)
		s := newStore(t)
		image := spec.Image{Location: srv.URL + "/img", Checksum: sum, Format: "qcow2"}
		var last, total int64
		file, err := s.Fetch(t.Context(), image, func(done, all int64) {
			if done < last {
				t.Errorf("progress goes from %d back to %d", last, done)
			}
			last, total = done, all
		})
		wantWhole(t, file, err, content)
		if last != file.Size || total != file.Size {
			t.Errorf("progress ended at %d of %d", last, total)
		}
		file, err = s.Fetch(t.Context(), image, nil)
		wantWhole(t, file, err, content)
		if n := srv.requests(); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
		if got := strings.Join(names(t, s), " "); got != ".json .image" {
			t.Errorf("the store holds %s", got)
		}
	}
}

func TestCallersShareADownload(t *testing.T) {
	content := testImage()
	srv := serve(t, content)
	s := newStore(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			file, err := s.Fetch(t.Context(), spec.Image{Location: srv.URL, Checksum: sha256Of(content), Format: "qcow2"}, nil)
			if err != nil || file.Digest != sha256Of(content) {
				t.Errorf("fetch: %+v, %v", file, err)
			}
		})
	}
	wg.Wait()
	if n := srv.requests(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestDownloadGoesOnWhereItBroke(t *testing.T) {
	content := testImage()
	srv := serve(t, content)
	srv.cutAfter = 100_000 // bytes of each answer
	s := newStore(t)
	file, err := s.Fetch(t.Context(), spec.Image{Location: srv.URL, Checksum: sha256Of(content), Format: "qcow2"}, nil)
	wantWhole(t, file, err, content)
	if n := srv.requests(); n != 4 {
		t.Errorf("%d requests for 300 kB in pieces of 100 kB, want 4", n)
	}
	for i, r := range srv.ranges[1:] {
		if r == "" || r == "bytes=0-" {
			t.Errorf("request %d asks for the range %q", i+1, r)
		}
	}
}

func TestDownloadTakesUpAnEarlierOne(t *testing.T) {
	content := testImage()
	for name, tc := range map[string]struct {
		left     []byte
		noRange  bool
		requests int
	}{
		"its beginning":         {content[:1000], false, 1},
		"all of it":             {content, false, 1},
		"other content":         {[]byte("something else"), false, 2},
		"more than there is":    {append(testImage(), 1), false, 2},
		"server ignores ranges": {content[:1000], true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, content)
			srv.noRange = tc.noRange
			s := newStore(t)
			partial := filepath.Join(s.dir, strings.Replace(sha256Of(content), ":", "-", 1)+".partial")
			if err := os.WriteFile(partial, tc.left, 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := s.Fetch(t.Context(), spec.Image{Location: srv.URL, Checksum: sha256Of(content), Format: "qcow2"}, nil)
			wantWhole(t, file, err, content)
			if n := srv.requests(); n != tc.requests {
				t.Errorf("%d requests, want %d", n, tc.requests)
			}
		})
	}
}

func TestDownloadRefusals(t *testing.T) {
	content := testImage()
	big := make([]byte, 1<<20+1)
	backed := qcow2(put64(qcow2Backing, 512))
	for name, tc := range map[string]struct {
		content  []byte
		checksum string
		set      func(*server)
		kind     error
		requests int
		left     string // what stays in the store
	}{
		"wrong checksum":     {content, sha256Of([]byte("other")), nil, ErrChecksum, 1, ""},
		"wrong sha512":       {content, sha512Of([]byte("other")), nil, ErrChecksum, 1, ""},
		"no checksum":        {content, "", nil, ErrImage, 0, ""},
		"bad checksum":       {content, "md5:00", nil, ErrImage, 0, ""},
		"short checksum":     {content, "sha256:00", nil, ErrImage, 0, ""},
		"not found":          {content, sha256Of(content), func(s *server) { s.status = 404 }, ErrImage, 1, ".partial"},
		"keeps failing":      {content, sha256Of(content), func(s *server) { s.status = 503 }, ErrImage, 3, ".partial"},
		"too large":          {big, sha256Of(big), nil, ErrTooLarge, 1, ""},
		"too large, unsaid":  {big, sha256Of(big), func(s *server) { s.chunked = true }, ErrTooLarge, 1, ""},
		"a backing file":     {backed, sha256Of(backed), nil, ErrFormat, 1, ".json .image"},
		"cut without an end": {content, sha256Of(content), func(s *server) { s.cutAfter = 1; s.noRange = true }, ErrImage, -1, ".partial"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, tc.content)
			if tc.set != nil {
				tc.set(srv)
			}
			s := newStore(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := s.Fetch(ctx, spec.Image{Location: srv.URL, Checksum: tc.checksum, Format: "qcow2"}, nil)
			wantKind(t, "fetch", err, tc.kind)
			wantKind(t, "fetch", err, ErrImage)
			if n := srv.requests(); tc.requests >= 0 && n != tc.requests {
				t.Errorf("%d requests, want %d", n, tc.requests)
			}
			if got := strings.Join(names(t, s), " "); got != tc.left {
				t.Errorf("the store holds %q, want %q", got, tc.left)
			}
		})
	}
}

func TestServerRecovers(t *testing.T) {
	content := testImage()
	srv := serve(t, content)
	srv.status, srv.failures = 503, 2
	file, err := newStore(t).Fetch(t.Context(), spec.Image{Location: srv.URL, Checksum: sha256Of(content), Format: "qcow2"}, nil)
	wantWhole(t, file, err, content)
}

func TestCancelledDownloadIsNoImageError(t *testing.T) {
	content := testImage()
	srv := serve(t, content)
	srv.hang = make(chan struct{})
	defer close(srv.hang)
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Fetch(ctx, spec.Image{Location: srv.URL, Checksum: sha256Of(content), Format: "qcow2"}, func(done, _ int64) {
		if done > 0 {
			cancel()
		}
	})
	wantKind(t, "fetch", err, context.Canceled)
	if errors.Is(err, ErrImage) {
		t.Errorf("%v blames the image", err)
	}
}

func TestStalledDownloadEnds(t *testing.T) {
	content := testImage()
	srv := serve(t, content)
	srv.hang = make(chan struct{})
	defer close(srv.hang)
	s := newStore(t)
	s.opts.Stall = 20 * time.Millisecond
	_, err := s.Fetch(t.Context(), spec.Image{Location: srv.URL, Checksum: sha256Of(content), Format: "qcow2"}, nil)
	if err == nil || !strings.Contains(err.Error(), "nothing came") {
		t.Errorf("fetch: %v", err)
	}
}

func TestLocalFilesStayInPlace(t *testing.T) {
	content := testImage()
	path := filepath.Join(t.TempDir(), "local.qcow2")
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(content)
	s := newStore(t)
	image := spec.Image{Location: path, Format: "qcow2"}
	file, err := s.Fetch(t.Context(), image, nil)
	wantWhole(t, file, err, content)
	if file.Path != path {
		t.Errorf("path is %s", file.Path)
	}
	image.Checksum = sha512Of(content)
	file, err = s.Fetch(t.Context(), image, nil)
	wantWhole(t, file, err, content)
	image.Checksum = sha256Of([]byte("other"))
	_, err = s.Fetch(t.Context(), image, nil)
	wantKind(t, "wrong checksum", err, ErrChecksum)

	// A change that size, time and inode don't show is not looked for: the digest is remembered.
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	image.Checksum = ""
	other := append([]byte{}, content...)
	other[1000]++
	write(other)
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if again, err := s.Fetch(t.Context(), image, nil); err != nil || again.Digest != sha256Of(content) {
		t.Errorf("digest was not remembered: %+v, %v", again, err)
	}
	if err := os.Chtimes(path, info.ModTime().Add(time.Second), info.ModTime().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "a file that changed under its user", file.unchanged(), ErrImage)
	file, err = s.Fetch(t.Context(), image, nil)
	wantWhole(t, file, err, other)
}

func TestLocalRefusals(t *testing.T) {
	dir := t.TempDir()
	for name, location := range map[string]string{
		"missing": filepath.Join(dir, "none"), "folder": dir, "relative": "here.qcow2", "scheme": "ftp://host/x", "nothing": "",
	} {
		_, err := newStore(t).Fetch(t.Context(), spec.Image{Location: location, Format: "qcow2"}, nil)
		wantKind(t, name, err, ErrImage)
	}
}

func TestSimulatedImages(t *testing.T) {
	for _, format := range []string{"qcow2", "raw"} {
		image := spec.Image{Location: "https://nowhere.invalid/x", Checksum: "sha512:9f2c...", Format: format}
		f, err := Simulated{}.Fetch(t.Context(), image, nil)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := Simulated{}.Fetch(t.Context(), image, nil)
		image.Location += "y"
		other, _ := Simulated{}.Fetch(t.Context(), image, nil)
		if f.Digest != again.Digest || f.Digest == other.Digest {
			t.Errorf("digests %s %s %s", f.Digest, again.Digest, other.Digest)
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		virtual, err := Inspect(readerAt{r}, f.Size, format)
		if err != nil || virtual != f.VirtualSize {
			t.Errorf("%s: virtual size %d, %v; want %d", format, virtual, err, f.VirtualSize)
		}
	}
}
