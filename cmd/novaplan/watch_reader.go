package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/spec"
	"github.com/novaplan/novaplan/spec/watch"
)

// folderReader reads a watched folder: it says what is wrong with it, and returns what it says when nothing is. One
// goroutine uses it; standing is for all.
type folderReader struct {
	watcher  *watch.Watcher
	evaluate func(context.Context) (*evaluation, *spec.Spec, error)
	say      func(format string, args ...any) // messages
	report   func(*evaluation)                // its diagnostics

	good     goodSpec
	last     *watch.Folder // that settled; nil: none did
	doubtful watch.Sum     // digest of a half-saved folder that waits for its next save
	warnings string        // that were shown
}

// goodSpec is the last spec that was without mistakes, and what is wrong with the folder since. It stays in force
// whatever becomes of the folder.
type goodSpec struct {
	files map[string][]byte
	spec  *spec.Spec // as it was evaluated; nil: there was none yet

	mu    sync.Mutex
	state folderState
}

// folderState is how a watched folder stands.
type folderState struct {
	Problem string    // that keeps what it says from coming into force; "": there is none
	Since   time.Time // when that began
	Good    time.Time // when it was without mistakes last; zero: never
	Refused int       // how often it was refused
}

// wire is what status shows of the folder at path.
func (f folderState) wire(path string) *wire.Folder {
	return &wire.Folder{Path: path, Problem: f.Problem, Since: f.Since, Good: f.Good, Refused: f.Refused}
}

// standing returns how the folder stands. It may be called from anywhere.
func (g *goodSpec) standing() folderState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}

func (g *goodSpec) refuse(problem string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.Problem == "" {
		g.state.Since = time.Now()
	}
	g.state.Problem = problem
	g.state.Refused++
}

func (g *goodSpec) accept(s *spec.Spec, files map[string][]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spec, g.files = s, files
	g.state.Problem, g.state.Since, g.state.Good = "", time.Time{}, time.Now()
}

// kept says what a folder that was refused leaves in force.
func (g *goodSpec) kept() string {
	if g.spec == nil {
		return "Nothing was changed."
	}
	return "Nothing was changed; the last good spec stays in force."
}

// settled takes in a folder that settled on something else, and returns what it says; nil when that is wrong, or
// when it has to be seen once more.
func (r *folderReader) settled(ctx context.Context, folder watch.Folder) (*spec.Spec, error) {
	r.last = &folder
	if r.halfSaved(&folder) {
		return nil, nil
	}
	return r.read(ctx)
}

// halfSaved: a file holds only the beginning of what it held, as one that is being saved does. It may parse, and then
// it says that everything behind the cut is unwanted. The next save decides, also one of the same text. What git
// leaves behind is whole.
func (r *folderReader) halfSaved(folder *watch.Folder) bool {
	names := watch.Truncated(r.good.files, folder.Files)
	if len(names) == 0 || folder.Git || folder.Digest == r.doubtful {
		return false
	}
	r.doubtful = folder.Digest
	r.watcher.Again()
	r.good.refuse(strings.Join(names, ", ") + " looks half-saved")
	r.say("%s holds only the beginning of what it held before: it looks half-saved. %s\nIf it is meant so, save it once more.",
		strings.Join(names, ", "), r.good.kept())
	return true
}

// retriable: something else than the folder's content was wrong, so that it is worth another try.
func (r *folderReader) retriable() bool {
	return r.last != nil && r.good.standing().Problem != "" && r.doubtful != r.last.Digest
}

// read evaluates the folder as it settled.
func (r *folderReader) read(ctx context.Context) (*spec.Spec, error) {
	doc, s, err := r.evaluate(ctx)
	if err != nil {
		return nil, err
	}
	if !r.same(doc) {
		return nil, nil // it was saved meanwhile: it settles again
	}
	r.watcher.Include(doc.Reads)
	if doc.Text != "" && (s == nil || doc.Text != r.warnings) {
		r.report(doc)
	}
	if s == nil {
		r.good.refuse(summaryOf(doc))
		r.say("The spec has mistakes. %s", r.good.kept())
		return nil, nil
	}
	r.warnings = doc.Text
	return s, nil
}

// accept makes a spec that was read the good one.
func (r *folderReader) accept(s *spec.Spec) {
	r.good.accept(s, r.last.Files)
	r.doubtful = watch.Sum{}
}

// same reports whether what was evaluated is what the folder settled on.
func (r *folderReader) same(doc *evaluation) bool {
	for name, sum := range doc.Files {
		if content, ok := r.last.Files[name]; ok && watch.SumOf(content) != sum {
			return false
		}
	}
	return true
}

func summaryOf(doc *evaluation) string {
	for _, d := range doc.Diagnostics.Diagnostics {
		if d.Severity != "error" {
			continue
		}
		if d.Range != nil {
			return d.Range.Filename + ": " + d.Summary
		}
		return d.Summary
	}
	return "it can't be evaluated"
}
