package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/spec"
)

// EncodeSpec returns s in the form that requests carry. Its secrets must be sealed: an unsealed one
// loses its text.
func EncodeSpec(s *spec.Spec) (*wire.Spec, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode spec: %w", err)
	}
	sum := sha256.Sum256(data)
	return &wire.Spec{Chunks: []wire.Chunk{{Digest: hex.EncodeToString(sum[:]), Data: data}}}, nil
}

// DecodeSpec is the inverse of EncodeSpec.
func DecodeSpec(w *wire.Spec) (*spec.Spec, error) {
	if len(w.Chunks) != 1 {
		return nil, fmt.Errorf("%d chunks, want 1", len(w.Chunks))
	}
	s := new(spec.Spec)
	if err := json.Unmarshal(w.Chunks[0].Data, s); err != nil {
		return nil, err
	}
	return s, nil
}
