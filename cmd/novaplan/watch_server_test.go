package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/novaplan/novaplan/spec"
)

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{}
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	select {
	case j.news <- struct{}{}:
	default:
	}
	return j.text.Write(p)
}

// wait returns when the log holds text.
func (j *journal) wait(t *testing.T, text string) {
	t.Helper()
	for late := time.After(20 * time.Second); ; {
		j.mu.Lock()
		found := strings.Contains(j.text.String(), text)
		j.mu.Unlock()
		if found {
			return
		}
		select {
		case <-j.news:
		case <-late:
			t.Fatalf("no %q in\n%s", text, j.text.String())
		}
	}
}

// A server's folder offers what it says whenever that is without mistakes; mistakes, other fleets and half-saved files
// are logged, counted, and offer nothing.
func TestSpecFolder(t *testing.T) {
	dir := t.TempDir()
	save := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "f.np.hcl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save(smallFleet)
	offers := make(chan folderOffer)
	var fail atomic.Bool
	log := &journal{news: make(chan struct{}, 1)}
	c := &console{Err: &bytes.Buffer{}}
	f := c.newSpecFolder(dir, place{fleet: "default", simulate: true, command: "server"}, slog.New(slog.NewTextHandler(log, nil)),
		func(ctx context.Context, o folderOffer) error {
			if fail.Load() {
				return errors.New("no leader")
			}
			select {
			case offers <- o:
			case <-ctx.Done():
			}
			return nil
		})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); f.run(ctx) }()
	defer func() { cancel(); <-ended }()
	expect := func(hosts int) *spec.Spec {
		t.Helper()
		select {
		case o := <-offers:
			if len(o.Spec.Hosts) != hosts || o.Folder != dir || o.Saved.IsZero() {
				t.Errorf("%d hosts of %s, saved at %v", len(o.Spec.Hosts), o.Folder, o.Saved)
			}
			return o.Spec
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing was offered\n%s", log.text.String())
			return nil
		}
	}
	expect(1)
	save(smallFleet + `host "b" { uri = "sim://b" }`)
	expect(2)

	save(smallFleet + `host "b" { url = "sim://b" }`)
	log.wait(t, "level=ERROR msg=\"Unsupported argument\"")
	log.wait(t, "the last good spec stays in force")
	if now := f.good.standing(); now.Refused != 1 || now.Problem == "" || now.Since.IsZero() || now.Good.IsZero() {
		t.Errorf("%+v", now)
	}
	save(smallFleet)
	log.wait(t, "looks half-saved")
	save(smallFleet + `novaplan { fleet = "other" }`)
	log.wait(t, `this server is for fleet \"default\"`)
	save(strings.ReplaceAll(smallFleet, "sim://a", "qemu:///system"))
	log.wait(t, "this spec is for real hosts")
	save(smallFleet + `host "c" { uri = "sim://c" }`)
	expect(2)
	again := time.NewTicker(10 * time.Millisecond) // an offer that was taken counts a moment later
	defer again.Stop()
	for late := time.After(20 * time.Second); f.good.standing().Problem != ""; {
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("%+v", f.good.standing())
		}
	}
	if now := f.good.standing(); now.Refused != 4 {
		t.Errorf("%+v", now)
	}

	fail.Store(true)
	save(smallFleet + "host \"c\" { uri = \"sim://c\" }\nhost \"d\" { uri = \"sim://d\" }")
	log.wait(t, "no leader")
}
