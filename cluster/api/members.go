package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
)

func (h *Handler) memberRoutes() {
	register(h, viewers(), huma.Operation{
		OperationID: "members", Method: http.MethodGet, Path: "/v1/members", Tags: []string{"members"},
		Summary: "The members of the cluster, as the leader knows them",
	}, func(ctx context.Context, _ *struct{}) (*out[wire.Members], error) {
		if h.Members == nil {
			return nil, h.alone()
		}
		list, err := h.Members.Members(ctx)
		return &out[wire.Members]{Body: wire.Members{Members: list}}, err
	})
	register(h, admins(), huma.Operation{
		OperationID: "remove-member", Method: http.MethodDelete, Path: "/v1/members/{id}", Tags: []string{"members"},
		Summary: "Remove a member for good", DefaultStatus: http.StatusOK,
	}, func(ctx context.Context, req *idInput) (*out[struct{}], error) {
		return h.onMember(ctx, "removed", req.ID, func() error { return h.Members.RemoveMember(ctx, req.ID) })
	})
	register(h, admins(), huma.Operation{
		OperationID: "transfer-leader", Method: http.MethodPost, Path: "/v1/members/lead", Tags: []string{"members"},
		Summary: "Hand leadership over",
	}, func(ctx context.Context, req *transferInput) (*out[struct{}], error) {
		return h.onMember(ctx, "asked to lead", req.ID, func() error { return h.Members.TransferLeadership(ctx, req.ID) })
	})
	archive := map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}
	register(h, admins(), huma.Operation{
		OperationID: "save-snapshot", Method: http.MethodGet, Path: "/v1/snapshot", Tags: []string{"members"},
		Summary:   "A checksummed archive of the record",
		Responses: map[string]*huma.Response{"200": {Description: "The archive", Content: archive}},
	}, h.saveSnapshot)
	register(h, admins(), huma.Operation{
		OperationID: "restore-snapshot", Method: http.MethodPut, Path: "/v1/snapshot", Tags: []string{"members"},
		Summary:     "Replace the record by an archive's",
		RequestBody: &huma.RequestBody{Required: true, Content: archive},
	}, h.restoreSnapshot)
}

type transferInput struct {
	ID string `query:"id" doc:"to whom; empty: to whoever is best"`
}

func (h *Handler) alone() error {
	return &wire.Error{Code: CodeInvalid, Message: "this controller is a command's own: it has no members"}
}

func (h *Handler) onMember(ctx context.Context, what, id string, do func() error) (*out[struct{}], error) {
	if h.Members == nil {
		return nil, h.alone()
	}
	h.note(ctx, state.Note{Kind: "member", Message: "member " + id + " " + what})
	return &out[struct{}]{}, do()
}

func (h *Handler) saveSnapshot(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
	if h.Members == nil {
		return nil, h.alone()
	}
	h.note(ctx, state.Note{Kind: "snapshot", Message: "snapshot saved"})
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", "application/octet-stream")
		if _, err := h.Members.Save(ctx, w); err != nil {
			h.Log.Error("snapshot", "error", err, "request", requestOf(ctx))
			panic(http.ErrAbortHandler) // the client must not take a part for the whole; the archive's checksum is missing too
		}
	}}, nil
}

// restoreSnapshot reads the archive as it comes: it may be larger than a body may be elsewhere.
func (h *Handler) restoreSnapshot(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
	if h.Members == nil {
		return nil, h.alone()
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		if err := h.Members.Restore(ctx, r.Body); err != nil {
			fail(w, err, requestOf(ctx))
			return
		}
		h.note(ctx, state.Note{Kind: "snapshot", Message: "record restored from a snapshot"})
		writeJSON(w, struct{}{})
	}}, nil
}
