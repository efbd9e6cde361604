package labtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// pollInterval is how often a log is looked at for new lines.
const pollInterval = 50 * time.Millisecond

// Tick is the line that the lab's guest prints each second.
type Tick struct {
	Name   string // local-hostname of its config drive
	Boots  int    // boots counted on its disk, this one included; 1 when it has no room for data
	Uptime int    // seconds since its kernel started
	Count  int    // lines like this since it booted; goes on over a live migration
}

var tickLine = regexp.MustCompile(`novaplan-guest name=(\S+) boots=(\d+) uptime=(\d+) count=(\d+)`)

// Serial reads what a domain writes to its serial port. It keeps its place: each line is seen once. Not for use
// by several goroutines.
type Serial struct {
	path   string
	offset int64
	rest   []byte // a line whose end is not written yet
}

// SerialLog returns the path on this machine of a domain's serial log on a host. The domain must log to
// /var/log/libvirt/qemu/DOMAIN-serial0.log, as those do that novaplan defines; after a move the log goes on in
// the new host's file.
func (l *Lab) SerialLog(host, domain string) string {
	l.t.Helper()
	return filepath.Join(l.Host(host).Logs.Outside, domain+"-serial0.log")
}

// Serial follows a domain's serial log from its beginning. It may be called before there is one.
func (l *Lab) Serial(host, domain string) *Serial {
	l.t.Helper()
	return Follow(l.SerialLog(host, domain))
}

// Follow reads lines of a log file from its beginning; the file need not exist yet.
func Follow(path string) *Serial { return &Serial{path: path} }

// SkipToEnd moves behind all that is written now.
func (s *Serial) SkipToEnd() error {
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("serial log: %w", err)
	}
	s.offset, s.rest = info.Size(), nil
	return nil
}

// WaitLine returns the next line that matches, without its line end, passing over others. When the context ends
// before there is one, the error says which lines came instead.
func (s *Serial) WaitLine(ctx context.Context, pattern *regexp.Regexp) (string, error) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var passed []string
	for {
		line, ok, err := s.next()
		switch {
		case err != nil:
			return "", err
		case ok && pattern.MatchString(line):
			return line, nil
		case ok:
			passed = append(passed, line)
			continue
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("serial log %s: no line matches %q: %w; %s", s.path, pattern, ctx.Err(), tail(passed))
		case <-ticker.C:
		}
	}
}

// WaitTick returns the next of the guest's counting lines.
func (s *Serial) WaitTick(ctx context.Context) (Tick, error) {
	line, err := s.WaitLine(ctx, tickLine)
	if err != nil {
		return Tick{}, err
	}
	return parseTick(line), nil
}

// parseTick reads a line that matches tickLine; its numbers are digits, short of overflow.
func parseTick(line string) Tick {
	m := tickLine.FindStringSubmatch(line)
	number := func(s string) int {
		n, _ := strconv.Atoi(s)
		return n
	}
	return Tick{Name: m[1], Boots: number(m[2]), Uptime: number(m[3]), Count: number(m[4])}
}

// next returns the next whole line, or false when none is written yet.
func (s *Serial) next() (string, bool, error) {
	if !bytes.ContainsRune(s.rest, '\n') {
		if err := s.read(); err != nil {
			return "", false, err
		}
	}
	line, rest, found := bytes.Cut(s.rest, []byte("\n"))
	if !found {
		return "", false, nil
	}
	s.rest = rest
	return strings.TrimRight(string(line), "\r"), true, nil
}

func (s *Serial) read() error {
	file, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("serial log: %w", err)
	}
	defer file.Close()
	more, err := io.ReadAll(io.NewSectionReader(file, s.offset, 1<<62))
	if err != nil {
		return fmt.Errorf("serial log: %w", err)
	}
	s.offset += int64(len(more))
	s.rest = append(s.rest, more...)
	return nil
}

// tail names the last few of the lines that were read in vain.
func tail(lines []string) string {
	if len(lines) == 0 {
		return "nothing was written"
	}
	return fmt.Sprintf("last of %d lines: %q", len(lines), lines[max(0, len(lines)-5):])
}
