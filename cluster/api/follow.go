package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
)

// eventStream is the type of server-sent events.
const eventStream = "text/event-stream"

// keepAlive is how often a stream says that it is still there, for proxies that cut silent connections.
const keepAlive = 15 * time.Second

// stream sends events as they happen, each at once.
type stream struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	told map[string]bool // operations whose end was told
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", eventStream)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return &stream{w: w, rc: http.NewResponseController(w), told: map[string]bool{}}
}

// write sends one event. It ignores a client that went away: the work goes on, and the request's context ends.
func (s *stream) write(name string, id uint64, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		return // wire types can be encoded
	}
	text := "event: " + name + "\n"
	if id > 0 {
		text += "id: " + strconv.FormatUint(id, 10) + "\n"
	}
	_, _ = fmt.Fprintf(s.w, "%sdata: %s\n\n", text, data)
	_ = s.rc.Flush()
}

// alive sends a comment.
func (s *stream) alive() {
	_, _ = fmt.Fprint(s.w, ": \n\n")
	_ = s.rc.Flush()
}

func (s *stream) send(e wire.Event) {
	if e.At.IsZero() {
		e.At = time.Now().UTC()
	}
	s.write(string(e.Type), 0, e)
}

func (s *stream) progress(p *planner.Progress) {
	o := fromOperation(&p.Operation)
	e := wire.Event{
		Type: wire.EventProgress, At: p.At, Operation: &o,
		Step: p.Step, Done: p.Done, Total: p.Total, Rate: p.Rate, Message: p.Message,
	}
	if p.Operation.Phase.Final() {
		s.finished(&e)
		return
	}
	if !s.told[o.ID] {
		s.send(e)
	}
}

func (s *stream) finished(e *wire.Event) {
	if !s.told[e.Operation.ID] {
		s.told[e.Operation.ID], e.Type = true, wire.EventFinished
		s.send(*e)
	}
}

// drain sends what already arrived.
func (s *stream) drain(progress <-chan planner.Progress) {
	for {
		select {
		case p, ok := <-progress:
			if !ok {
				return
			}
			s.progress(&p)
		default:
			return
		}
	}
}

type followInput struct {
	Request string `path:"request"`
}

// followRequest tells of a request that was approved before: its client lost the connection, or somebody else wants to
// know. Operations that have ended are told first.
func (h *Handler) followRequest(ctx context.Context, req *followInput) (*huma.StreamResponse, error) {
	if h.Executor == nil {
		return nil, h.readOnly()
	}
	progress := h.Executor.Follow(ctx)
	st := h.Planner.State()
	ids, ok := h.follows.get(req.Request)
	if !ok {
		ids = st.OperationsOf(req.Request)
		slices.SortFunc(ids, state.CompareIDs)
		_, ok = st.RequestByID(req.Request)
	}
	if !ok && len(ids) == 0 {
		return nil, &wire.Error{Code: CodeNotFound, Message: "nobody knows a request " + req.Request + " any more"}
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		s := newStream(w)
		for _, o := range h.recorded(ids) {
			if state.Phase(o.Phase).Final() {
				s.finished(&wire.Event{Operation: &o})
			}
		}
		h.follow(ctx, s, ids, progress)
	}}, nil
}

// follow streams progress until the operations are settled. Progress may be dropped on its way, the
// end of an operation never: the record knows it.
func (h *Handler) follow(ctx context.Context, s *stream, ids []string, progress <-chan planner.Progress) {
	ours := make(map[string]bool, len(ids))
	for _, id := range ids {
		ours[id] = true
	}
	settled := make(chan error, 1)
	go func() { settled <- h.Executor.Settle(ctx, ids) }()
	beat := time.NewTicker(keepAlive)
	defer beat.Stop()
	for {
		select {
		case p, ok := <-progress:
			if !ok {
				progress = nil
				continue
			}
			if ours[p.Operation.ID] {
				s.progress(&p)
			}
		case <-beat.C:
			s.alive()
		case err := <-settled:
			s.drain(progress)
			if err != nil && h.Shared {
				return // another member goes on with it: the client asks that one, and isn't told of an end that is none
			}
			if err != nil && ctx.Err() == nil {
				s.send(wire.Event{Type: wire.EventError, Error: AsError(err)})
			}
			h.settle(s, ids)
			return
		}
	}
}

// settle sends the ends that were not told yet and the result of all.
func (h *Handler) settle(s *stream, ids []string) {
	result := wire.Result{Failed: []wire.Operation{}, Left: []wire.Operation{}}
	for _, o := range h.recorded(ids) {
		switch state.Phase(o.Phase) {
		case state.Done:
			result.Done++
		case state.Failed, state.Revoked:
			result.Failed = append(result.Failed, o)
		default:
			result.Left = append(result.Left, o)
		}
		if state.Phase(o.Phase).Final() {
			s.finished(&wire.Event{Operation: &o})
		}
	}
	s.send(wire.Event{Type: wire.EventSettled, Result: &result})
}

// maxFollows is how many requests' operations are remembered beyond what the record knows of them: those that were
// under way before count too.
const maxFollows = 1000

type follows struct {
	mu    sync.Mutex
	ids   map[string][]string
	order []string
}

func newFollows() *follows { return &follows{ids: map[string][]string{}} }

func (f *follows) put(request string, ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.ids[request]; known {
		return
	}
	f.ids[request] = ids
	f.order = append(f.order, request)
	if len(f.order) > maxFollows {
		delete(f.ids, f.order[0])
		f.order = f.order[1:]
	}
}

func (f *follows) get(request string) ([]string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ids, ok := f.ids[request]
	return ids, ok
}
