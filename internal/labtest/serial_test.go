package labtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWaitLineKeepsItsPlace(t *testing.T) {
	log := newLog(t)
	log.write("boot\r\none 1\r\ntwo 2\r\n")
	serial := Follow(log.path)
	for _, want := range []string{"one 1", "two 2"} {
		got, err := serial.WaitLine(t.Context(), regexp.MustCompile(`\d`))
		if err != nil || got != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
}

// The file comes late, and its line in two halves: neither half is a line.
func TestWaitLineWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(t)
		go func() {
			for _, part := range []string{"cou", "nt=4", "\n"} {
				<-time.After(time.Second)
				log.write(part)
			}
		}()
		got, err := Follow(log.path).WaitLine(t.Context(), regexp.MustCompile(`count`))
		if err != nil || got != "count=4" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

func TestWaitLineSaysWhatCameInstead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(t)
		log.write("kernel panic\n")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := Follow(log.path).WaitLine(ctx, regexp.MustCompile(`ready`))
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "kernel panic") {
			t.Fatalf("got %v", err)
		}
	})
}

func TestSkipToEnd(t *testing.T) {
	log := newLog(t)
	serial := Follow(log.path)
	if err := serial.SkipToEnd(); err != nil {
		t.Fatalf("no file yet: %v", err)
	}
	log.write("old\n")
	if err := serial.SkipToEnd(); err != nil {
		t.Fatal(err)
	}
	log.write("new\n")
	got, err := serial.WaitLine(t.Context(), regexp.MustCompile(`.`))
	if err != nil || got != "new" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestWaitTick(t *testing.T) {
	log := newLog(t)
	log.write("novaplan-guest: identity: name=web-0 instance-id=i-1\n" +
		"novaplan-guest name=web-0 boots=2 uptime=37 count=34\n")
	got, err := Follow(log.path).WaitTick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Tick{Name: "web-0", Boots: 2, Uptime: 37, Count: 34}, got); diff != "" {
		t.Error(diff)
	}
}

// logFile is a serial log that a test writes itself.
type logFile struct {
	t    *testing.T
	path string
}

func newLog(t *testing.T) logFile {
	return logFile{t, filepath.Join(t.TempDir(), "guest-serial0.log")}
}

func (l logFile) write(text string) {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		l.t.Error(err)
		return
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		l.t.Error(err)
	}
}
