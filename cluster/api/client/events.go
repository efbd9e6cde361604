package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// message is one server-sent event.
type message struct {
	name string
	id   string
	data []byte
}

// maxMessage bounds one event: a plan with its placements may be large.
const maxMessage = 256 << 20

// messages reads server-sent events until each returns an error, or the stream ends.
func messages(body io.Reader, each func(message) error) error {
	lines := bufio.NewReaderSize(body, 64<<10)
	var m message
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			if len(m.data) > 0 {
				if err := each(m); err != nil {
					return err
				}
			}
			m = message{}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			m.name = value
		case "id":
			m.id = value
		case "data":
			if len(m.data)+len(value) > maxMessage {
				return errors.New("an event is too large")
			}
			m.data = append(m.data, value...)
		}
	}
}

// How a lost stream is taken up again.
const (
	resumeTries = 40
	resumePause = 250 * time.Millisecond
)

// Apply approves a plan and calls each with every event until the last one, EventSettled or EventStale.
// An error of each ends it early; the work goes on, as it does when the connection is lost: then another member is
// asked about the request, and no end of an operation is told twice.
func (c *Client) Apply(ctx context.Context, req wire.ApplyRequest, each func(wire.Event) error) error {
	f := &following{c: c, each: each, request: req.Request, told: map[string]bool{}}
	header := http.Header{"Accept": {"text/event-stream"}, "X-Request-Id": {req.Request}, "Idempotency-Key": {req.Request}}
	if req.Request == "" {
		header = http.Header{"Accept": {"text/event-stream"}}
	}
	resp, err := c.do(ctx, http.MethodPost, "/v1/apply", req, header)
	if err != nil {
		return err
	}
	return f.through(ctx, resp)
}

// Follow tells what happens to a request that was approved before, as Apply does.
func (c *Client) Follow(ctx context.Context, request string, each func(wire.Event) error) error {
	f := &following{c: c, each: each, request: request, told: map[string]bool{}}
	resp, err := f.again(ctx)
	if err != nil {
		return err
	}
	return f.through(ctx, resp)
}

// following is one request being followed over one connection after another.
type following struct {
	c       *Client
	each    func(wire.Event) error
	request string
	told    map[string]bool
	over    bool
}

// through reads to the end of the request, over as many connections as it takes.
func (f *following) through(ctx context.Context, resp *http.Response) error {
	for tries := 0; ; {
		before := len(f.told)
		err := f.read(resp)
		if f.over || err == nil || ctx.Err() != nil || !f.c.remote || f.request == "" {
			return err
		}
		if len(f.told) > before {
			tries = 0
		}
		for resp = nil; resp == nil; {
			if tries++; tries > resumeTries {
				return fmt.Errorf("the connection was lost (%w) and can't be made again; the work goes on, request %s", err, f.request)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(resumePause):
			}
			next, failed := f.again(ctx)
			if failed != nil && !elsewhere(failed) {
				return failed
			}
			resp = next
		}
	}
}

func (f *following) again(ctx context.Context) (*http.Response, error) {
	return f.c.do(ctx, http.MethodGet, "/v1/requests/"+url.PathEscape(f.request)+"/events", nil, http.Header{"Accept": {"text/event-stream"}})
}

// errTold ends a stream because everything was told.
var errTold = errors.New("everything was told")

// read reads one connection. An error is the connection's, unless over is set.
func (f *following) read(resp *http.Response) error {
	defer resp.Body.Close()
	err := messages(resp.Body, func(m message) error {
		var e wire.Event
		if err := json.Unmarshal(m.data, &e); err != nil {
			return fmt.Errorf("an event: %w", err)
		}
		if e.Type == wire.EventFinished && e.Operation != nil {
			if f.told[e.Operation.ID] {
				return nil
			}
			f.told[e.Operation.ID] = true
		}
		if err := f.each(e); err != nil {
			f.over = true
			return err
		}
		if e.Type == wire.EventSettled || e.Type == wire.EventStale {
			f.over = true
			return errTold
		}
		return nil
	})
	switch {
	case errors.Is(err, errTold), errors.Is(err, io.EOF) && !f.c.remote:
		return nil
	}
	return plain(err)
}

// Events calls each with every event of the history after the given one, in order and once, over as many connections as
// it takes, until ctx ends; with progress also with how far operations are. An *wire.Error with the code compacted says that events
// are missing.
func (c *Client) Events(ctx context.Context, after uint64, progress bool, event func(wire.HistoryEvent) error, step func(wire.Event) error) error {
	lost := 0
	for {
		err := c.eventsOnce(ctx, &after, progress, func(e wire.HistoryEvent) error { lost = 0; return event(e) }, step)
		var stop *stopped
		switch {
		case errors.As(err, &stop):
			return stop.err
		case ctx.Err() != nil:
			return ctx.Err()
		case !c.remote || !elsewhere(err) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return err
		}
		if lost++; lost > resumeTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(resumePause):
		}
	}
}

// stopped is an error of the caller's own function.
type stopped struct{ err error }

func (s *stopped) Error() string { return s.err.Error() }

func (c *Client) eventsOnce(ctx context.Context, after *uint64, progress bool, event func(wire.HistoryEvent) error, step func(wire.Event) error) error {
	path := "/v1/events"
	if progress {
		path += "?progress=true"
	}
	resp, err := c.do(ctx, http.MethodGet, path, nil, http.Header{"Accept": {"text/event-stream"}, "Last-Event-Id": {strconv.FormatUint(*after, 10)}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return messages(resp.Body, func(m message) error {
		if m.name == "history" {
			var e wire.HistoryEvent
			if err := json.Unmarshal(m.data, &e); err != nil {
				return fmt.Errorf("an event: %w", err)
			}
			*after = e.Seq
			if err := event(e); err != nil {
				return &stopped{err}
			}
			return nil
		}
		var e wire.Event
		if err := json.Unmarshal(m.data, &e); err != nil {
			return fmt.Errorf("an event: %w", err)
		}
		if e.Error != nil {
			return e.Error
		}
		if err := step(e); err != nil {
			return &stopped{err}
		}
		return nil
	})
}
