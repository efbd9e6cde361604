package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
)

func (h *Handler) eventRoutes() {
	register(h, viewers().orStale(), huma.Operation{
		OperationID: "events", Method: http.MethodGet, Path: "/v1/events", Tags: []string{"history"},
		Summary: "What happens, from any point of the history on",
		Description: "Events of the history have their number as id, each exactly once: resume with Last-Event-ID or index=. Those " +
			"after an index that is older than what is kept are answered with 410 and the code compacted. With progress=true the progress of operations " +
			"comes between, without an id and without promise.",
		Responses: map[string]*huma.Response{"200": {Description: "Events", Content: map[string]*huma.MediaType{
			eventStream: {Schema: schemaOf(h.huma, wire.HistoryEvent{})},
		}}},
	}, h.events)
	register(h, viewers().orStale(), huma.Operation{
		OperationID: "history", Method: http.MethodGet, Path: "/v1/history", Tags: []string{"history"},
		Summary: "Who did what, when and from where; oldest first",
	}, h.history)
}

type eventsInput struct {
	Last     string `header:"Last-Event-ID" doc:"number of the last event that was seen"`
	Index    string `query:"index" doc:"the same, for who can't set headers; neither: from now on"`
	Progress bool   `query:"progress" doc:"also how far operations are"`
	Stale    bool   `query:"stale" doc:"from whichever member answers"`
}

// after is the number of the last event that was seen.
func (in *eventsInput) after(st state.State) (uint64, error) {
	for _, text := range []string{in.Last, in.Index} {
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return 0, &wire.Error{Code: CodeInvalid, Message: fmt.Sprintf("%q is no number of an event", text)}
		}
		return n, nil
	}
	return st.LastEvent, nil
}

// events streams the history, and on request progress, until the client goes away.
func (h *Handler) events(ctx context.Context, req *eventsInput) (*huma.StreamResponse, error) {
	st := h.Planner.State()
	after, err := req.after(st)
	if err != nil {
		return nil, err
	}
	if oldest := st.OldestEvent(); after+1 < oldest {
		return nil, compacted(after, oldest)
	}
	var progress <-chan planner.Progress
	if req.Progress && h.Executor != nil {
		progress = h.Executor.Follow(ctx)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		h.tell(ctx, newStream(w), after, progress)
	}}, nil
}

func compacted(after, oldest uint64) error {
	return &wire.Error{
		Code: CodeCompacted, Message: fmt.Sprintf("events after %d are gone, the oldest that is kept is %d", after, oldest),
		Detail: []string{"Look at the state as it is now, then follow from there."},
	}
}

// tell sends every event after the given one, in order, each once.
func (h *Handler) tell(ctx context.Context, s *stream, after uint64, progress <-chan planner.Progress) {
	beat := time.NewTicker(keepAlive)
	defer beat.Stop()
	s.alive() // so that the client knows that it is heard
	for {
		changes := h.changes() // before State: no change is missed
		st := h.Planner.State()
		if oldest := st.OldestEvent(); after+1 < oldest { // the client is slower than history is forgotten
			s.write(string(wire.EventError), 0, wire.Event{Type: wire.EventError, At: time.Now().UTC(), Error: AsError(compacted(after, oldest))})
			return
		}
		for e := range st.EventsAfter(after) {
			s.write("history", e.Seq, fromEvent(e))
			after = e.Seq
			if ctx.Err() != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-changes:
		case <-beat.C:
			s.alive()
		case p, ok := <-progress:
			if !ok {
				progress = nil
				continue
			}
			o := fromOperation(&p.Operation)
			s.send(wire.Event{Type: wire.EventProgress, At: p.At, Operation: &o, Step: p.Step, Done: p.Done, Total: p.Total, Rate: p.Rate, Message: p.Message})
		}
	}
}

// changes is closed when the record is newer than now; nil, and never, when it can't change.
func (h *Handler) changes() <-chan struct{} {
	if h.Record == nil {
		return nil
	}
	return h.Record.Changes()
}

type historyInput struct {
	Reading
	After uint64 `query:"after" doc:"only events after this one"`
	Limit int    `query:"limit" minimum:"0" maximum:"10000" doc:"the newest so many; 0: 100"`
}

func (h *Handler) history(ctx context.Context, req *historyInput) (*out[wire.History], error) {
	st, err := h.await(ctx, &req.Reading)
	if err != nil {
		return nil, err
	}
	limit := uint64(100)
	if req.Limit > 0 {
		limit = uint64(req.Limit)
	}
	after := req.After
	if st.LastEvent > limit {
		after = max(after, st.LastEvent-limit)
	}
	found := wire.History{Events: []wire.HistoryEvent{}, Oldest: st.OldestEvent(), Newest: st.LastEvent}
	for e := range st.EventsAfter(after) {
		found.Events = append(found.Events, fromEvent(e))
	}
	return answer(found)
}

func fromEvent(e *state.Event) wire.HistoryEvent {
	return wire.HistoryEvent{
		Seq: e.Seq, At: e.At, Index: e.Index, Kind: e.Kind, Address: string(e.Address), Message: e.Message,
		By: e.By, Request: e.Request, From: e.From,
	}
}

// noteWait bounds how long a line of the history may take.
const noteWait = 2 * time.Second

// note writes down who did something that the record doesn't tell otherwise. What can't be written is logged.
func (h *Handler) note(ctx context.Context, n state.Note) {
	c := callOf(ctx)
	n.By, n.From, n.Request = c.caller.String(), c.caller.From, c.request
	h.Log.Info(n.Message, "kind", n.Kind, "address", string(n.Address), "by", n.By, "from", n.From, "request", n.Request)
	if h.Record == nil || h.Record.State().Level < state.LevelServed {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWait)
	defer cancel()
	if err := h.propose(ctx, state.Command{Note: &n}); err != nil {
		h.Log.Warn("not written into the history", "error", err, "request", n.Request)
	}
}

// loginFailed is told of failed logins, now and then.
func (h *Handler) loginFailed(from, why string, times int) {
	ctx := context.WithValue(context.Background(), callKey{}, &call{header: http.Header{}})
	callOf(ctx).caller.From, callOf(ctx).caller.Kind = from, "nobody"
	h.note(ctx, state.Note{Kind: "login", Message: fmt.Sprintf("login failed, %d times: %s", times, why)})
}
