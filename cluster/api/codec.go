package api

import (
	"fmt"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// EncodeSpec returns s in the form that requests carry: the record's own chunks. Its secrets must be
// sealed.
func EncodeSpec(s *spec.Spec) (*wire.Spec, error) {
	_, chunks, err := state.EncodeSpec(s)
	if err != nil {
		return nil, fmt.Errorf("encode spec: %w", err)
	}
	return &wire.Spec{Chunks: each(chunks, func(c *state.Chunk) wire.Chunk { return wire.Chunk(*c) })}, nil
}

// DecodeSpec is the inverse of EncodeSpec.
func DecodeSpec(w *wire.Spec) (*spec.Spec, error) {
	return state.DecodeSpec(each(w.Chunks, func(c *wire.Chunk) state.Chunk { return state.Chunk(*c) })...)
}
