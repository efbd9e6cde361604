package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
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
	l := &lines{w: a.c.Err, names: hostNames(a.p.plan), begun: map[string]bool{}, started: map[string]time.Time{}, paint: a.c.palette(a.c.Err)}
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
	names   map[string]string
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
		_, err := fmt.Fprintf(l.w, "%s: %s ...\n", subject(o, l.names), deed(o, l.names))
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
		verdict = l.paint.Bad(o.Phase)
		if o.Error != "" {
			verdict += ": " + o.Error
		}
	}
	_, err := fmt.Fprintf(l.w, "%s: %s %s%s\n", subject(o, l.names), deed(o, l.names), verdict, took)
	return err
}

func hostNames(p *wire.Plan) map[string]string {
	names := make(map[string]string, len(p.Hosts))
	for _, h := range p.Hosts {
		names[h.Address] = h.Name
	}
	return names
}

func named(names map[string]string, host string) string {
	if n := names[host]; n != "" {
		return n
	}
	return host
}

// subject is what an operation is about: an instance, or a host.
func subject(o *wire.Operation, names map[string]string) string {
	switch {
	case o.Instance != "":
		return o.Instance
	case o.To != "":
		return named(names, o.To)
	}
	return named(names, o.From)
}

// deed says what an operation does: "create on kvm1", "live migrate kvm1 -> kvm2".
func deed(o *wire.Operation, names map[string]string) string {
	text := strings.TrimSpace(o.Kind + " " + o.Action)
	switch {
	case o.Instance == "":
		return text
	case o.From != "" && o.To != "":
		return text + " " + named(names, o.From) + " -> " + named(names, o.To)
	case o.To != "":
		return text + " on " + named(names, o.To)
	case o.From != "":
		return text + " on " + named(names, o.From)
	}
	return text
}
