package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"
)

// MaxChunk is the most bytes of one chunk, so that no log entry delays heartbeats.
const MaxChunk = 256 << 10

// Sizes of chunks before compression. A chunk ends after a record whose key's hash ends in cutBits zero
// bits, so that a change inside one part of a revision moves no boundary elsewhere.
const (
	rawChunk    = 240 << 10 // a longer run is cut anywhere: incompressible data stay below MaxChunk
	minRawChunk = 16 << 10
	cutBits     = 6
)

// maxDecoded bounds what the chunks of one revision may grow to.
const maxDecoded = 1 << 30

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// chunkWriter cuts a sequence of CBOR records into content-addressed chunks.
type chunkWriter struct {
	chunks []Chunk
	buf    []byte
	zw     *zstd.Encoder
}

func newChunkWriter() (*chunkWriter, error) {
	zw, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return nil, err
	}
	return &chunkWriter{zw: zw}, nil
}

// add appends a record. It reports whether a chunk ended behind it, so that the next one must not
// depend on what came before.
func (w *chunkWriter) add(key string, record any) (cut bool, err error) {
	data, err := encoder.Marshal(record)
	if err != nil {
		return false, err
	}
	if len(w.buf) > 0 && len(w.buf)+len(data) > rawChunk {
		return false, errChunkFull
	}
	w.buf = append(w.buf, data...)
	for len(w.buf) > rawChunk {
		w.emit(w.buf[:rawChunk])
		w.buf = w.buf[rawChunk:]
	}
	if len(w.buf) >= minRawChunk && boundary(key) {
		w.flush()
		return true, nil
	}
	return false, nil
}

// errChunkFull asks the caller to flush and to write the record again, without dependence.
var errChunkFull = errors.New("chunk full")

func (w *chunkWriter) flush() {
	if len(w.buf) > 0 {
		w.emit(w.buf)
		w.buf = nil
	}
}

func (w *chunkWriter) emit(raw []byte) {
	data := w.zw.EncodeAll(raw, nil)
	w.chunks = append(w.chunks, Chunk{Digest: digestOf(data), Data: data})
}

func boundary(key string) bool {
	h := fnv.New64a()
	_, _ = io.WriteString(h, key)
	sum := h.Sum64()
	return (sum^sum>>32)&(1<<cutBits-1) == 0
}

// digests lists chunks by name, in order.
func digests(chunks []Chunk) []string {
	names := make([]string, len(chunks))
	for i := range chunks {
		names[i] = chunks[i].Digest
	}
	return names
}

// unchunk returns the sequence of records behind chunks.
func unchunk(chunks []Chunk) (*cbor.Decoder, error) {
	zr, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDecoded))
	if err != nil {
		return nil, err
	}
	defer zr.Close()
	parts := make([]io.Reader, len(chunks))
	total := 0
	for i := range chunks {
		raw, err := zr.DecodeAll(chunks[i].Data, nil)
		if err != nil {
			return nil, fmt.Errorf("chunk %.12s: %w: %v", chunks[i].Digest, ErrCorrupt, err)
		}
		if total += len(raw); total > maxDecoded {
			return nil, fmt.Errorf("chunks hold more than %d bytes: %w", maxDecoded, ErrCorrupt)
		}
		parts[i] = bytes.NewReader(raw)
	}
	return decoder.NewDecoder(io.MultiReader(parts...)), nil
}

// EncodeOperations packs the operations of a plan into chunks for Approve.OperationChunks.
func EncodeOperations(ops []Operation) ([]Chunk, error) {
	w, err := newChunkWriter()
	if err != nil {
		return nil, err
	}
	for i := range ops {
		if _, err := w.add(ops[i].ID, &ops[i]); errors.Is(err, errChunkFull) {
			w.flush()
			_, err = w.add(ops[i].ID, &ops[i])
			if err != nil {
				return nil, err
			}
		} else if err != nil {
			return nil, err
		}
	}
	w.flush()
	return w.chunks, nil
}

// DecodeOperations reads what EncodeOperations wrote.
func DecodeOperations(chunks ...Chunk) ([]Operation, error) {
	d, err := unchunk(chunks)
	if err != nil {
		return nil, err
	}
	var ops []Operation
	for {
		var op Operation
		err := d.Decode(&op)
		if errors.Is(err, io.EOF) {
			return slices.Clip(ops), nil
		}
		if err != nil {
			return nil, fmt.Errorf("operation %d: %w: %v", len(ops)+1, ErrCorrupt, err)
		}
		ops = append(ops, op)
	}
}
