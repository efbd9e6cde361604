package disk

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/novaplan/novaplan/spec"
)

func TestSizeOf(t *testing.T) {
	content := make([]byte, 4096)
	file := filepath.Join(t.TempDir(), "local.img")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32 // HEADs of /there
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && r.URL.Path == "/there" {
			asked.Add(1)
		}
		switch r.URL.Path {
		case "/there":
			w.Header().Set("Content-Length", "443547648")
		case "/silent":
			w.(http.Flusher).Flush() // no length
		case "/elsewhere":
			http.Redirect(w, r, "/there", http.StatusFound)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	s := &Sizer{Dir: filepath.Join(t.TempDir(), "never made")}
	for name, c := range map[string]struct {
		location string
		want     int64
		fails    bool
	}{
		"local file":        {file, 4096, false},
		"no local file":     {file + "x", 0, true},
		"a folder":          {filepath.Dir(file), 0, true},
		"server":            {server.URL + "/there", 443547648, false},
		"server, no length": {server.URL + "/silent", 0, false},
		"redirect":          {server.URL + "/elsewhere", 443547648, false},
		"not there":         {server.URL + "/gone", 0, true},
		"no server":         {"http://127.0.0.1:1/x", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.SizeOf(t.Context(), spec.Image{Location: c.location, Format: "qcow2"})
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("%d, %v, want %d", got, err, c.want)
			}
		})
	}
	before := asked.Load()
	if _, err := s.SizeOf(t.Context(), spec.Image{Location: server.URL + "/there", Format: "qcow2"}); err != nil || asked.Load() != before || before == 0 {
		t.Errorf("asked %d times, then %d: %v", before, asked.Load(), err)
	}
	if _, err := os.Stat(s.Dir); err == nil {
		t.Error("asking for sizes made a folder")
	}
}

// What was downloaded is known without its server.
func TestSizeOfDownload(t *testing.T) {
	content := qcow2(keep)
	server := serve(t, content)
	dir := t.TempDir()
	store, err := NewStore(dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	image := spec.Image{Location: server.URL, Format: "qcow2", Checksum: fmt.Sprintf("sha256:%x", sha256.Sum256(content))}
	if _, err := store.Fetch(t.Context(), image, nil); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if got, err := (&Sizer{Dir: dir}).SizeOf(t.Context(), image); err != nil || got != int64(len(content)) {
		t.Errorf("%d, %v, want %d", got, err, len(content))
	}
}

// A server that takes the request and says nothing is given up soon.
func TestSizeOfSilentServer(t *testing.T) {
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(done) })
	s := &Sizer{Wait: 20 * time.Millisecond}
	if got, err := s.SizeOf(t.Context(), spec.Image{Location: server.URL}); err == nil || got != 0 {
		t.Errorf("%d, %v", got, err)
	}
}

func TestSimulatedSize(t *testing.T) {
	image := spec.Image{Location: "https://nowhere.invalid/x", Format: "qcow2"}
	for _, s := range []Simulated{{}, {Size: 5 << 20}} {
		file, err := s.Fetch(t.Context(), image, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.SizeOf(t.Context(), image); err != nil || got != file.Size {
			t.Errorf("%d, %v, want %d", got, err, file.Size)
		}
	}
}
