package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
)

// Reading is what every GET of the record understands. It is exported because huma reads no parameter of an embedded
// struct that isn't.
type Reading struct {
	Index uint64 `query:"index" doc:"X-Novaplan-Index of an answer before: wait until there is something newer"`
	Wait  string `query:"wait" doc:"how long to wait with index, such as 30s; at most 10m"`
	Stale bool   `query:"stale" doc:"whichever member answers, from what it knows"`
}

// How long a GET with an index waits.
const (
	defaultWait = 5 * time.Minute
	maxWait     = 10 * time.Minute
)

// await returns the record, with an index once it is newer than that, or when the time is over.
func (h *Handler) await(ctx context.Context, r *Reading) (state.State, error) {
	wait := defaultWait
	if r.Wait != "" {
		d, err := time.ParseDuration(r.Wait)
		if err != nil || d < 0 {
			return state.State{}, &wire.Error{Code: CodeInvalid, Message: fmt.Sprintf("wait=%.20s: want a duration such as 30s", r.Wait)}
		}
		wait = min(d, maxWait)
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		changes := h.changes()
		st := h.Planner.State()
		callOf(ctx).header.Set(IndexHeader, strconv.FormatUint(st.Index, 10))
		if r.Index == 0 || st.Index > r.Index {
			return st, nil
		}
		select {
		case <-ctx.Done():
			return st, ctx.Err()
		case <-over.C:
			return st, nil
		case <-changes:
		}
	}
}

// getRoutes look at the hosts, as status does, and wait for news as all GETs do.
func (h *Handler) getRoutes() {
	look := func(ctx context.Context, r *Reading) (*wire.Status, error) {
		if _, err := h.await(ctx, r); err != nil {
			return nil, err
		}
		return h.status(ctx, nil)
	}
	register(h, viewers().orStale(), huma.Operation{
		OperationID: "get-status", Method: http.MethodGet, Path: "/v1/status", Tags: []string{"look"},
		Summary: "What is there, beside the spec in force",
	}, func(ctx context.Context, r *Reading) (*out[*wire.Status], error) {
		s, err := look(ctx, r)
		return &out[*wire.Status]{Body: s}, err
	})
	register(h, viewers().orStale(), huma.Operation{
		OperationID: "hosts", Method: http.MethodGet, Path: "/v1/hosts", Tags: []string{"look"},
		Summary: "Hosts, with what is used of them",
	}, func(ctx context.Context, r *Reading) (*out[wire.Hosts], error) {
		s, err := look(ctx, r)
		if err != nil {
			return nil, err
		}
		return answer(wire.Hosts{Hosts: s.Hosts})
	})
	register(h, viewers().orStale(), huma.Operation{
		OperationID: "instances", Method: http.MethodGet, Path: "/v1/instances", Tags: []string{"look"},
		Summary: "Instances: where they are, what they do, their addresses",
	}, func(ctx context.Context, r *Reading) (*out[wire.Instances], error) {
		s, err := look(ctx, r)
		if err != nil {
			return nil, err
		}
		return answer(wire.Instances{Instances: s.Instances})
	})
}

// recordRoutes answer from the record alone.
func (h *Handler) recordRoutes() {
	register(h, viewers().orStale(), huma.Operation{
		OperationID: "operations", Method: http.MethodGet, Path: "/v1/operations", Tags: []string{"apply"},
		Summary: "What is being done, and what was done lately",
	}, h.operations)
	register(h, viewers().orStale(), huma.Operation{
		OperationID: "operation", Method: http.MethodGet, Path: "/v1/operations/{id}", Tags: []string{"apply"},
		Summary: "One operation",
	}, h.operation)
	register(h, viewers().orStale(), huma.Operation{
		OperationID: "revisions", Method: http.MethodGet, Path: "/v1/revisions", Tags: []string{"history"},
		Summary: "The revisions of the spec that are kept",
	}, h.revisions)
	register(h, viewers().orStale(), huma.Operation{
		OperationID: "diff", Method: http.MethodGet, Path: "/v1/revisions/{from}/diff/{to}", Tags: []string{"history"},
		Summary: "What two revisions say differently; of secrets only that they differ",
	}, h.diff)
}

type operationsInput struct {
	Reading
	Request string `query:"request" doc:"only those of this request"`
	Phase   string `query:"phase" doc:"only those in this phase"`
}

func (h *Handler) operations(ctx context.Context, req *operationsInput) (*out[wire.Operations], error) {
	st, err := h.await(ctx, &req.Reading)
	if err != nil {
		return nil, err
	}
	found := wire.Operations{Operations: []wire.OperationDetail{}}
	for _, o := range st.Operations.All() {
		if (req.Request == "" || o.Request == req.Request) && (req.Phase == "" || string(o.Phase) == req.Phase) {
			found.Operations = append(found.Operations, detailOf(o))
		}
	}
	slices.SortFunc(found.Operations, func(a, b wire.OperationDetail) int { return state.CompareIDs(a.ID, b.ID) })
	return answer(found)
}

type operationInput struct {
	Reading
	ID string `path:"id"`
}

func (h *Handler) operation(ctx context.Context, req *operationInput) (*out[wire.OperationDetail], error) {
	st, err := h.await(ctx, &req.Reading)
	if err != nil {
		return nil, err
	}
	o, ok := st.Operations.Get(req.ID)
	if !ok {
		return nil, &wire.Error{Code: CodeNotFound, Message: "there is no operation " + req.ID + ", or it ended long ago"}
	}
	return answer(detailOf(o))
}

func detailOf(o *state.Operation) wire.OperationDetail {
	return wire.OperationDetail{
		Operation: fromOperation(o), Reason: wire.Reason(o.Reason), Request: o.Request, Revision: o.Revision,
		Steps: o.Steps, Attempt: o.Attempt, Approved: o.Approved, Started: o.Started, Ended: o.Ended,
	}
}

func (h *Handler) revisions(ctx context.Context, req *Reading) (*out[wire.Revisions], error) {
	st, err := h.await(ctx, req)
	if err != nil {
		return nil, err
	}
	found := wire.Revisions{Revisions: []wire.Revision{}}
	for _, r := range st.Revisions.All() {
		found.Revisions = append(found.Revisions, wire.Revision{
			Number: r.Number, Base: r.Base, Stack: r.Stack, At: r.At, By: r.By, Message: r.Message, Commit: r.Commit,
			InForce: r.Number == st.Revision,
		})
	}
	return answer(found)
}

// revision returns a kept revision, or says which there are.
func (h *Handler) revision(n uint64) (*state.Revision, error) {
	st := h.Planner.State()
	if rev, ok := st.RevisionByNumber(n); ok {
		return rev, nil
	}
	e := &wire.Error{Code: CodeNotFound, Message: fmt.Sprintf("there is no revision %d", n)}
	first, last := uint64(0), uint64(0)
	for _, r := range st.Revisions.All() {
		if first == 0 {
			first = r.Number
		}
		last = r.Number
	}
	if last > 0 {
		e.Detail = []string{fmt.Sprintf("Those from %d to %d are kept; novaplan history lists them.", first, last)}
	}
	return nil, e
}

type diffInput struct {
	From  uint64 `path:"from"`
	To    uint64 `path:"to"`
	Stale bool   `query:"stale" doc:"whichever member answers, from what it knows"`
}

func (h *Handler) diff(_ context.Context, req *diffInput) (*out[wire.Difference], error) {
	from, err := h.wanted(nil, wire.From{Revision: req.From})
	if err != nil {
		return nil, err
	}
	to, err := h.wanted(nil, wire.From{Revision: req.To})
	if err != nil {
		return nil, err
	}
	return answer(wire.Difference{From: req.From, To: req.To, Blocks: differences(from, to)})
}
