package api

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
)

// APIVersion is of the API: every path begins with it, and nothing is taken away within one.
const APIVersion = "v1"

// document begins the description of the API; the routes complete it.
func document(version string) huma.Config {
	format := huma.DefaultJSONFormat
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "novaplan", Version: version,
				Description: "What the command line uses, and nothing else. Errors are problem+json with the diagnostics that " +
					"the command line shows. GET routes wait for news with index= (the X-Novaplan-Index of the answer before) and wait=; " +
					"with stale=true any member answers from what it knows, and says how old that may be.",
			},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token":       {Type: "http", Scheme: "bearer", BearerFormat: "np_<id>_<secret>"},
					"certificate": {Type: "mutualTLS"},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{inOurWords},
	}
}

// finishDocument says of every route what its errors look like.
func (h *Handler) finishDocument() {
	doc := h.huma.OpenAPI()
	problem := doc.Components.Schemas.Schema(reflect.TypeFor[wire.Problem](), true, "Problem")
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch} {
			if op != nil {
				op.Responses["default"] = &huma.Response{
					Description: "What went wrong",
					Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: problem}},
				}
			}
		}
	}
}

// OpenAPI returns the OpenAPI 3.1 document, as JSON.
func (h *Handler) OpenAPI() ([]byte, error) {
	data, err := json.MarshalIndent(h.huma.OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	return append(data, '\n'), nil
}

// Document returns the OpenAPI 3.1 document of this version's API, without a controller.
func Document(version string) ([]byte, error) {
	return New(Ports{Planner: nobody{}, Identity: wire.Identity{Version: version}}).OpenAPI()
}

// nobody answers nothing.
type nobody struct{ Planner }

func (nobody) State() state.State { return state.State{} }

// schemaOf refers to the schema of v's type, for answers that huma can't see.
func schemaOf(api huma.API, v any) *huma.Schema {
	t := reflect.TypeOf(v)
	return api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
}
