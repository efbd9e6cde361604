package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/charmbracelet/x/term"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
)

// reporter shows what happens during an apply.
type reporter interface {
	event(wire.Event) error
	close()
}

func (a *applying) reporter() reporter {
	if a.flags.json {
		return jsonEvents{json.NewEncoder(a.c.Out)}
	}
	l := &lines{w: a.c.Err, words: wordsOf(a.p.plan), begun: map[string]bool{}, started: map[string]time.Time{}, paint: a.c.palette(a.c.Err)}
	if f, ok := a.c.Err.(*os.File); ok && term.IsTerminal(f.Fd()) && a.c.env("TERM") != "dumb" {
		return newBars(l, f)
	}
	return l
}

// jsonEvents writes each event on a line of its own.
type jsonEvents struct{ *json.Encoder }

func (j jsonEvents) event(e wire.Event) error { return j.Encode(e) }
func (jsonEvents) close()                     {}

// lines writes a line when an operation begins and one when it ends.
type lines struct {
	w       io.Writer
	words   words
	paint   render.Palette
	begun   map[string]bool
	started map[string]time.Time
}

func (l *lines) close() {}

func (l *lines) event(e wire.Event) error {
	o := e.Operation
	switch {
	case o == nil:
		return nil
	case e.Type == wire.EventFinished:
		return l.finished(o, e.At)
	case !l.begun[o.ID] && o.Phase == "running":
		l.begun[o.ID], l.started[o.ID] = true, e.At
		_, err := fmt.Fprintf(l.w, "%s: %s ...\n", l.words.subject(o), l.words.deed(o))
		return err
	}
	return nil
}

func (l *lines) finished(o *wire.Operation, at time.Time) error {
	took := ""
	if t, ok := l.started[o.ID]; ok && at.Sub(t) >= time.Second {
		took = fmt.Sprintf(" (%s)", render.Duration(int(at.Sub(t).Round(time.Second)/time.Second)))
	}
	verdict := l.paint.Good(o.Phase)
	if o.Phase != "done" {
		verdict = l.paint.Bad(o.Phase) // why is said at the end, with all that failed
	}
	_, err := fmt.Fprintf(l.w, "%s: %s %s%s\n", l.words.subject(o), l.words.deed(o), verdict, took)
	return err
}
