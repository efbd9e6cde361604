package main

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
)

// newLog returns the log of a server: time, level, where in the source, message. What is about a request names it.
func newLog(w io.Writer, asJSON bool, level slog.Leveler) *slog.Logger {
	opts := &slog.HandlerOptions{AddSource: true, Level: level, ReplaceAttr: shortSource}
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// shortSource leaves the folder and file of a source location.
func shortSource(groups []string, a slog.Attr) slog.Attr {
	source, ok := a.Value.Any().(*slog.Source)
	if !ok || len(groups) > 0 || a.Key != slog.SourceKey {
		return a
	}
	dir, file := filepath.Split(source.File)
	return slog.String(a.Key, fmt.Sprintf("%s/%s:%d", filepath.Base(dir), file, source.Line))
}
