package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/charmbracelet/x/term"
	"golang.org/x/sys/unix"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile"
)

// ask leaves a plan for somebody to agree to: on this terminal, or with novaplan approve.
func (w *watching) ask(p *planned, verdict planner.Verdict) {
	w.waiting = p
	for _, why := range verdict.Why {
		w.c.note("This waits for an answer: %s.", why)
	}
	w.id = w.submit(p, verdict)
	if w.id == "" {
		w.c.note("Type yes to do it, or save something else.")
	} else {
		w.c.note("Type yes to do it, or save something else; from elsewhere: novaplan approve %s", w.id)
	}
	w.answers.wanted()
}

// submit keeps the plan in the record, where novaplan approve finds it. It returns "" where that isn't possible:
// a server keeps what its own folder wants, and a record of an older version doesn't know such plans.
func (w *watching) submit(p *planned, verdict planner.Verdict) string {
	local := w.session.local
	if local == nil {
		return ""
	}
	req := (&applying{c: w.c, p: p, flags: &applyFlags{message: w.message()}}).request()
	id, err := local.Submit(w.base, reconcile.Submitted{
		Approval: planner.Approval{Spec: p.spec, Base: req.Base, Digest: req.Digest, By: req.By, Message: req.Message, Commit: req.Commit, Request: req.Request},
		Summary:  summarized(p), Why: verdict.Why, Folder: w.folderName(),
	})
	if err != nil {
		return ""
	}
	return id
}

// summarized is the line with which the plan ends where it is shown.
func summarized(p *planned) string {
	var text bytes.Buffer
	if err := render.Plan(&text, p.plan, render.Options{Concise: true, Parallel: p.parallel()}); err != nil {
		return ""
	}
	for line := range strings.Lines(text.String()) {
		if summary, ok := strings.CutPrefix(line, "Plan: "); ok {
			return strings.TrimSpace(summary)
		}
	}
	return ""
}

// withdraw forgets the plan that waits: something else takes its place.
func (w *watching) withdraw(ctx context.Context) {
	if w.waiting != nil && w.id != "" && w.session != nil && w.session.local != nil {
		if err := w.session.local.Drop(ctx, w.id, "something else was saved, or decided", operator()); err != nil {
			w.c.note("Warning: %v", err)
		}
	}
	w.waiting, w.id = nil, ""
}

// decided is closed when the record changes while a plan waits in it, or when it doesn't wait any more.
func (w *watching) decided() <-chan struct{} {
	if w.waiting == nil || w.id == "" || w.session == nil || w.session.local == nil {
		return nil
	}
	changes := w.session.local.record.Changes()
	if w.waits() {
		return changes
	}
	now := make(chan struct{})
	close(now)
	return now
}

func (w *watching) waits() bool {
	_, waits := w.session.local.record.State().Plans.Get(w.id)
	return waits
}

// looked takes in that the record changed: somebody may have approved or dropped what waits.
func (w *watching) looked(ctx context.Context) {
	if w.waits() {
		return
	}
	base := w.waiting.plan.Base
	id := w.id
	w.waiting, w.id = nil, ""
	if w.session.local.record.State().Revision == base {
		w.c.note("Plan %s was dropped.", id)
		return
	}
	w.c.note("Plan %s was approved.", id)
	w.plan(ctx, true)
}

// answered takes what somebody typed.
func (w *watching) answered(text string) {
	p := w.waiting
	switch {
	case p == nil:
		w.answers.wanted()
	case text == "yes":
		w.carryOut(p)
	default:
		w.withdraw(w.base)
		w.c.note("Nothing was changed.")
	}
}

// share is take, but for what somebody else may do while a folder is watched: then the process that watches does it.
func share(ctx context.Context, p place, begin cluster.Options, opts reconcile.Options) (*session, error) {
	if p.server == nil {
		if s := dial(ctx, p); s != nil && s.identity.Command == "watch" {
			return s, nil
		} else if s != nil {
			_ = s.close() // nothing was asked of it
		}
	}
	return take(ctx, p, begin, opts)
}

// answers are the lines that somebody types, read only when they are wanted: a process in the background that reads
// its terminal is stopped.
type answers struct {
	in    *bufio.Reader
	file  *os.File // nil: not a file
	lines chan string
	mu    sync.Mutex
	busy  bool
}

func newAnswers(in io.Reader) *answers {
	file, _ := in.(*os.File)
	return &answers{in: bufio.NewReader(in), file: file, lines: make(chan string)}
}

// wanted reads one line, if anybody can type one.
func (a *answers) wanted() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy || a.background() {
		return
	}
	a.busy = true
	go func() {
		line, err := a.in.ReadString('\n')
		a.mu.Lock()
		a.busy = false
		a.mu.Unlock()
		if err == nil {
			a.lines <- strings.TrimSpace(line)
		}
	}()
}

func (a *answers) background() bool {
	if a.file == nil || !term.IsTerminal(a.file.Fd()) {
		return false
	}
	foreground, err := unix.IoctlGetInt(int(a.file.Fd()), unix.TIOCGPGRP)
	return err != nil || foreground != unix.Getpgrp()
}
