package main

import (
	"bytes"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/cupwriter"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// bars adds to the lines a bar for each transfer: downloads, uploads, migrations.
type bars struct {
	*lines
	terminal *terminal
	progress *mpb.Progress
	open     map[string]*mpb.Bar // by operation
}

func newBars(l *lines, f *os.File) *bars {
	t := &terminal{File: f}
	b := &bars{lines: l, terminal: t, open: map[string]*mpb.Bar{}}
	screen := cupwriter.New(t, false)
	screen.SetTermFd(int(f.Fd()))
	b.progress = mpb.New(mpb.WithConsoleWriter(screen), mpb.WithWidth(30), mpb.WithRefreshRate(150*time.Millisecond))
	l.w = b
	return b
}

// Write puts a line above the bars.
func (b *bars) Write(line []byte) (int, error) {
	b.terminal.expect(line)
	if n, err := b.progress.Write(line); err == nil {
		return n, nil
	}
	b.terminal.rest() // the terminal is too odd for bars
	return len(line), nil
}

func (b *bars) event(e wire.Event) error {
	if e.Operation != nil {
		b.bar(&e)
	}
	return b.lines.event(e)
}

func (b *bars) bar(e *wire.Event) {
	id := e.Operation.ID
	bar := b.open[id]
	if e.Type == wire.EventFinished || e.Total == 0 || e.Done >= e.Total {
		if bar != nil {
			bar.Abort(true)
			delete(b.open, id)
		}
		return
	}
	if bar == nil {
		label := b.words.subject(e.Operation) + ": " + e.Step + " "
		made, err := b.progress.Add(e.Total, mpb.BarStyle().Lbound("[").Rbound("]").Filler("=").Tip(">").Padding("-").Build(),
			mpb.PrependDecorators(decor.Name(label, decor.WCSyncSpaceR), decor.Percentage(decor.WCSyncSpace)),
			mpb.AppendDecorators(decor.CountersKibiByte("% .1f of % .1f"), decor.AverageSpeed(decor.SizeB1024(0), "  % .1f")))
		if err != nil {
			return // no bars then; the lines say the same
		}
		bar = made
		b.open[id] = bar
	}
	bar.SetTotal(e.Total, false)
	bar.SetCurrent(e.Done)
}

func (b *bars) close() {
	for _, bar := range b.open {
		bar.Abort(true)
	}
	b.progress.Wait()
	b.terminal.rest()
}

// terminal notices which of the expected lines were written. Bars are redrawn now and then, and the last
// lines may never be: those are written at the end.
type terminal struct {
	*os.File
	mu       sync.Mutex
	expected [][]byte
}

func (t *terminal) expect(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expected = append(t.expected, bytes.Clone(line))
}

// Write passes on what the bars draw.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.expected) > 0 && bytes.Contains(p, bytes.TrimRight(t.expected[0], "\n")) {
		t.expected = t.expected[1:]
	}
	return t.File.Write(p)
}

// rest writes what was not written yet.
func (t *terminal) rest() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, line := range t.expected {
		_, _ = t.File.Write(line) // there is no other place to say that this one is gone
	}
	t.expected = nil
}
