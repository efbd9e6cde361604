package disk

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"
)

// server serves one content, in the ways that servers do.
type server struct {
	*httptest.Server
	content  []byte
	cutAfter int           // bytes of a body; 0: never
	noRange  bool          // answers ranges with everything
	chunked  bool          // doesn't say how much it is
	status   int           // instead of the content
	failures int           // how often status is the answer; 0: always
	hang     chan struct{} // after half the body, until closed

	mu     sync.Mutex
	ranges []string // one for each request
}

func serve(t *testing.T, content []byte) *server {
	s := &server{content: content}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ranges)
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.ranges = append(s.ranges, r.Header.Get("Range"))
	n := len(s.ranges)
	s.mu.Unlock()
	if s.status != 0 && (s.failures == 0 || n <= s.failures) {
		w.WriteHeader(s.status)
		return
	}
	if s.noRange {
		r.Header.Del("Range")
	}
	switch {
	case s.chunked:
		_, _ = io.Copy(w, io.MultiReader(bytes.NewReader(s.content)))
	case s.hang != nil:
		w.Header().Set("Content-Length", strconv.Itoa(len(s.content)))
		_, _ = w.Write(s.content[:len(s.content)/2])
		_ = http.NewResponseController(w).Flush()
		<-s.hang
	case s.cutAfter > 0:
		http.ServeContent(&cutter{ResponseWriter: w, left: s.cutAfter}, r, "", time.Time{}, bytes.NewReader(s.content))
	default:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.content))
	}
}

// cutter ends the connection after some bytes.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// readerAt reads at offsets by seeking.
type readerAt struct{ io.ReadSeeker }

func (r readerAt) ReadAt(p []byte, at int64) (int, error) {
	if _, err := r.Seek(at, io.SeekStart); err != nil {
		return 0, err
	}
	return io.ReadFull(r.ReadSeeker, p)
}
