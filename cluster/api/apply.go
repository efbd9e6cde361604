package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
)

// applyPlan approves a plan and streams what becomes of it. The work is the controller's: it goes on
// when the client goes away.
func (h *Handler) applyPlan(w http.ResponseWriter, r *http.Request) {
	var req wire.ApplyRequest
	if !read(w, r, &req) {
		return
	}
	if h.Executor == nil {
		fail(w, h.readOnly())
		return
	}
	if !h.applying.begin(time.Now()) {
		fail(w, &wire.Error{Code: CodeBusy, Message: "another apply is running"})
		return
	}
	defer h.applying.end()
	approval, err := approvalOf(&req)
	if err != nil {
		fail(w, err)
		return
	}
	progress := h.Executor.Follow(r.Context()) // before Approve: nothing is missed
	approved, err := h.Executor.Approve(r.Context(), approval)
	if err != nil {
		fail(w, err)
		return
	}
	s := newStream(w)
	if approved.Stale {
		s.send(wire.Event{
			FormatVersion: wire.EventFormat, Type: wire.EventStale,
			Plan: h.wirePlan(approved.Plan, nil, approval.Spec, approval.Options),
		})
		return
	}
	s.send(wire.Event{
		FormatVersion: wire.EventFormat, Type: wire.EventApproved,
		Revision: approved.Revision, Operations: h.recorded(approved.Operations),
	})
	h.follow(r.Context(), s, approved.Operations, progress)
}

func approvalOf(req *wire.ApplyRequest) (planner.Approval, error) {
	opts, err := Options(req.Options)
	if err != nil {
		return planner.Approval{}, err
	}
	a := planner.Approval{
		Options: opts, Base: req.Base, Digest: req.Digest,
		By: req.By, Message: req.Message, Commit: req.Commit, Request: req.Request,
	}
	if req.Spec == nil {
		return a, nil
	}
	a.Spec, err = DecodeSpec(req.Spec)
	if err != nil {
		return a, &wire.Error{Code: CodeInvalid, Message: "spec: " + err.Error()}
	}
	return a, nil
}

// follow streams progress until the operations are settled. Progress may be dropped on its way, the
// end of an operation never: the record knows it.
func (h *Handler) follow(ctx context.Context, s *stream, ids []string, progress <-chan planner.Progress) {
	settled := make(chan error, 1)
	go func() { settled <- h.Executor.Settle(ctx, ids) }()
	told := make(map[string]bool, len(ids))
	for {
		select {
		case p, ok := <-progress:
			if !ok {
				progress = nil
				continue
			}
			s.progress(&p, told)
		case err := <-settled:
			s.drain(progress, told)
			if err != nil && ctx.Err() == nil {
				s.send(wire.Event{Type: wire.EventError, Error: AsError(err)})
			}
			h.settle(s, ids, told)
			return
		}
	}
}

// settle sends the ends that were not told yet and the result of all.
func (h *Handler) settle(s *stream, ids []string, told map[string]bool) {
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
		if state.Phase(o.Phase).Final() && !told[o.ID] {
			s.send(wire.Event{Type: wire.EventFinished, Operation: &o})
		}
	}
	s.send(wire.Event{Type: wire.EventSettled, Result: &result})
}

func (h *Handler) recorded(ids []string) []wire.Operation {
	st := h.Planner.State()
	out := make([]wire.Operation, 0, len(ids))
	for _, id := range ids {
		if o, ok := st.Operations.Get(id); ok {
			out = append(out, fromOperation(o))
		}
	}
	return out
}

// events streams what happens to any operation, until the client goes away.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	if h.Executor == nil {
		fail(w, h.readOnly())
		return
	}
	s, told := newStream(w), map[string]bool{}
	for p := range h.Executor.Follow(r.Context()) {
		s.progress(&p, told)
	}
}

func (h *Handler) cancel(w http.ResponseWriter, r *http.Request) {
	var req wire.CancelRequest
	if !read(w, r, &req) {
		return
	}
	if h.Executor == nil {
		fail(w, h.readOnly())
		return
	}
	if req.Abort {
		h.Executor.Abort()
	} else {
		h.Executor.Halt()
	}
	reply(w, struct{}{})
}

// stream sends events, one a line, each at once.
type stream struct {
	enc   *json.Encoder
	flush func() error
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return &stream{enc: json.NewEncoder(w), flush: http.NewResponseController(w).Flush}
}

// send ignores a client that went away: the work goes on, and the request's context ends.
func (s *stream) send(e wire.Event) {
	if e.At.IsZero() {
		e.At = time.Now().UTC()
	}
	_ = s.enc.Encode(e)
	_ = s.flush()
}

func (s *stream) progress(p *planner.Progress, told map[string]bool) {
	o := fromOperation(&p.Operation)
	e := wire.Event{
		Type: wire.EventProgress, At: p.At, Operation: &o,
		Step: p.Step, Done: p.Done, Total: p.Total, Rate: p.Rate, Message: p.Message,
	}
	if p.Operation.Phase.Final() {
		if told[o.ID] {
			return
		}
		told[o.ID], e.Type = true, wire.EventFinished
	}
	s.send(e)
}

// drain sends what already arrived.
func (s *stream) drain(progress <-chan planner.Progress, told map[string]bool) {
	for {
		select {
		case p, ok := <-progress:
			if !ok {
				return
			}
			s.progress(&p, told)
		default:
			return
		}
	}
}
