package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/spec"
	"github.com/novaplan/novaplan/spec/watch"
)

// specFolder is the folder that a server keeps its fleet by (spec_dir). It reads it as novaplan watch does, on every
// member, and offers what it says whenever that is without mistakes; what becomes of an offer is the leader's business.
type specFolder struct {
	*folderReader
	dir   string
	place place // of the server: which fleet, and of what kind its hosts are
	log   *slog.Logger
	offer func(context.Context, folderOffer) error
}

// folderOffer is what a folder says that was saved.
type folderOffer struct {
	Spec   *spec.Spec // its secrets are plain
	Folder string     // absolute
	Commit string     // of git, "" when it is in none
	Saved  time.Time  // of its newest file
}

// newSpecFolder returns a reader of dir that hands what it says to offer. Values of variables come from the folder and
// from NOVAPLAN_VAR_x in the server's environment.
func (c *console) newSpecFolder(dir string, p place, log *slog.Logger, offer func(context.Context, folderOffer) error) *specFolder {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	log = log.With("folder", dir)
	f := &specFolder{dir: dir, place: p, log: log, offer: offer}
	quiet := *c
	quiet.NoColor, quiet.Err = true, io.Discard
	flags := &specFlags{}
	f.folderReader = &folderReader{
		watcher: watch.New(dir, watch.Options{Match: isSpecFile, Notice: func(text string) { log.Warn(text) }}),
		evaluate: func(ctx context.Context) (*evaluation, *spec.Spec, error) {
			return flags.evaluateApart(ctx, &quiet, dir, defaultEvaluation)
		},
		say:    func(format string, args ...any) { log.Warn(fmt.Sprintf(format, args...)) },
		report: func(doc *evaluation) { logDiagnostics(log, doc) },
	}
	return f
}

// logDiagnostics writes each diagnostic as a record.
func logDiagnostics(log *slog.Logger, doc *evaluation) {
	for _, d := range doc.Diagnostics.Diagnostics {
		level := slog.LevelError
		if d.Severity == "warning" {
			level = slog.LevelWarn
		}
		var at []any
		if d.Range != nil {
			at = []any{"file", d.Range.Filename, "line", d.Range.Start.Line}
		}
		log.Log(context.Background(), level, d.Summary, append(at, "detail", d.Detail)...)
	}
}

// run reads the folder until ctx ends.
func (f *specFolder) run(ctx context.Context) {
	go func() { _ = f.watcher.Run(ctx) }() // a file system that hangs must not hold us up
	retry := newBackoff()
	defer retry.timer.Stop()
	for {
		var s *spec.Spec
		var err error
		select {
		case <-ctx.Done():
			return
		case folder := <-f.watcher.Folders():
			retry.reset()
			s, err = f.settled(ctx, folder)
		case <-retry.timer.C:
			if !f.retriable() {
				continue
			}
			s, err = f.read(ctx)
		}
		if err == nil && s != nil {
			err = f.take(ctx, s)
		}
		switch {
		case err == nil, ctx.Err() != nil:
		case hopeless(err):
			f.good.refuse(err.Error())
			f.log.Error("the spec isn't for this server", "error", err)
		default:
			f.good.refuse(err.Error())
			f.log.Error("the spec can't be offered", "error", err, "again_in", retry.later())
		}
	}
}

// take offers a spec that is without mistakes, unless it is about something else than this server.
func (f *specFolder) take(ctx context.Context, s *spec.Spec) error {
	p, err := placeOf(f.dir, s, false, f.place.command)
	switch {
	case err != nil:
		return err
	case s.Fleet != f.place.fleet:
		return &wire.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("this spec is of fleet %q, this server is for fleet %q", s.Fleet, f.place.fleet)}
	case len(s.Hosts) > 0 && p.simulate != f.place.simulate:
		return &wire.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("this spec is for %s hosts, this server is for %s ones", p.mode(), f.place.mode())}
	}
	err = f.offer(ctx, folderOffer{Spec: s, Folder: f.dir, Commit: commitOf(f.dir), Saved: f.saved()})
	if err == nil {
		f.accept(s)
	}
	return err
}

// saved is when the newest file of the folder was.
func (f *specFolder) saved() time.Time {
	var newest time.Time
	for name := range f.last.Files {
		if info, err := os.Stat(filepath.Join(f.dir, name)); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest
}
