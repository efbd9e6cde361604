package disk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/novaplan/novaplan/spec"
)

// Sizer tells how large images are before they are fetched. It writes nothing, and is safe for
// concurrent use.
type Sizer struct {
	// Dir is the folder of the Store whose downloads are looked at first; it need not exist.
	Dir    string
	Client *http.Client  // nil: http.DefaultClient
	Wait   time.Duration // for a server's answer; 0 is 3 s

	mu    sync.Mutex
	known map[fetchKey]int64 // what servers said: content with a checksum doesn't change
}

// sizeWait is short: who only looks doesn't wait for a server that is away.
const sizeWait = 3 * time.Second

// SizeOf returns the bytes of the image's content as it is fetched, 0 when its server doesn't say.
func (s *Sizer) SizeOf(ctx context.Context, image spec.Image) (int64, error) {
	if !isURL(image.Location) {
		return sizeOfFile(image.Location)
	}
	if want, err := parseChecksum(image.Checksum); err == nil {
		if size, err := sizeOfFile(downloaded(s.Dir, want)); err == nil {
			return size, nil
		}
	}
	key := fetchKey{image.Location, image.Checksum, image.Format}
	s.mu.Lock()
	size, ok := s.known[key]
	s.mu.Unlock()
	if ok {
		return size, nil
	}
	size, err := s.ask(ctx, image.Location)
	if err != nil {
		return 0, fmt.Errorf("size of %s: %w", image.Location, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[fetchKey]int64{}
	}
	s.known[key] = size
	return size, nil
}

func sizeOfFile(path string) (int64, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%s: %w: not a regular file", path, ErrImage)
	}
	return info.Size(), nil
}

// ask sends one HEAD request.
func (s *Sizer) ask(ctx context.Context, url string) (int64, error) {
	wait, client := s.Wait, s.Client
	if wait == 0 {
		wait = sizeWait
	}
	if client == nil {
		client = http.DefaultClient
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wait, errors.New("the server doesn't answer"))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept-Encoding", "identity") // the size is of the file, not of what a server makes of it
	resp, err := client.Do(req)
	if err != nil {
		return 0, stalled(ctx, err)
	}
	_ = resp.Body.Close() // a HEAD has no body
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("server says %s", resp.Status)
	}
	return max(resp.ContentLength, 0), nil
}

// downloaded is where the store in dir keeps the download with that checksum.
func downloaded(dir string, want checksum) string {
	return filepath.Join(dir, want.algorithm+"-"+want.hex+".image")
}
