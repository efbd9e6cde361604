package state

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/novaplan/novaplan/spec"
)

// record is one element of an encoded revision. Of the block kinds, Whole is a block and Same+Zero
// are the next one of the same block: what differs from the last whole one, and which fields are empty again.
type record struct {
	Kind  string          `json:"k"`
	Whole cbor.RawMessage `json:"w,omitempty"`
	Delta cbor.RawMessage `json:"d,omitempty"`
	Zero  []string        `json:"z,omitempty"`
}

// Kinds of records. The first is the spec without blocks, then come secrets, then the blocks.
const (
	kindSpec   = "spec"
	kindSecret = "secret"
)

// EncodeSpec packs a spec into a manifest and the chunks it names. Instances and hosts of one block are
// written once whole and then as differences; secrets, sealed before, once each. Equal specs give
// equal bytes, and an edit changes only the chunks around it. The chunks are returned once each; the manifest
// has them in order, and may name one twice. The caller fills in the manifest's
// stack, message and commit.
func EncodeSpec(s *spec.Spec) (*Revision, []Chunk, error) {
	w, err := newChunkWriter()
	if err != nil {
		return nil, nil, err
	}
	e := &specEncoder{w: w, sealed: map[string]bool{}}
	if err := e.encode(s); err != nil {
		return nil, nil, fmt.Errorf("encode revision: %w", err)
	}
	w.flush()
	names := digests(w.chunks)
	digest := digestOf([]byte(strings.Join(names, "\n")))
	return &Revision{Stack: s.Stack, Digest: digest, Chunks: names}, distinct(w.chunks), nil
}

type specEncoder struct {
	w      *chunkWriter
	sealed map[string]bool // by HMAC: written already
}

func (e *specEncoder) encode(s *spec.Spec) error {
	rest := *s
	rest.Zones, rest.Hosts, rest.Aggregates, rest.Pools, rest.Flavors = nil, nil, nil, nil, nil
	rest.Images, rest.Networks, rest.Groups, rest.Keypairs, rest.Instances = nil, nil, nil, nil, nil
	if err := e.whole(kindSpec, "", &rest); err != nil {
		return err
	}
	e.w.flush()
	for i := range s.Instances {
		if err := e.secret(s.Instances[i].Address, s.Instances[i].UserData); err != nil {
			return err
		}
	}
	e.w.flush()
	if err := sealedFences(s.Hosts); err != nil {
		return err
	}
	return errors.Join(
		encodeBlocks(e, s.Zones, func(b *spec.Zone) spec.Address { return b.Address }),
		encodeBlocks(e, s.Pools, func(b *spec.Pool) spec.Address { return b.Address }),
		encodeBlocks(e, s.Flavors, func(b *spec.Flavor) spec.Address { return b.Address }),
		encodeBlocks(e, s.Images, func(b *spec.Image) spec.Address { return b.Address }),
		encodeBlocks(e, s.Networks, func(b *spec.Network) spec.Address { return b.Address }),
		encodeBlocks(e, s.Groups, func(b *spec.ServerGroup) spec.Address { return b.Address }),
		encodeBlocks(e, s.Keypairs, func(b *spec.Keypair) spec.Address { return b.Address }),
		encodeBlocks(e, s.Aggregates, func(b *spec.Aggregate) spec.Address { return b.Address }),
		encodeBlocks(e, s.Hosts, func(b *spec.Host) spec.Address { return b.Address }),
		encodeBlocks(e, s.Instances, func(b *spec.Instance) spec.Address { return b.Address }),
	)
}

// secret writes a sealed value once; instances then name it by its HMAC.
func (e *specEncoder) secret(owner spec.Address, s spec.Secret) error {
	if s.IsZero() || e.sealed[string(s.HMAC)] {
		return nil
	}
	if len(s.HMAC) == 0 {
		return fmt.Errorf("%s: user_data was not sealed", owner)
	}
	e.sealed[string(s.HMAC)] = true
	return e.whole(kindSecret, string(s.HMAC), spec.Secret{HMAC: s.HMAC, Sealed: s.Sealed})
}

// sealedFences refuses plain fence options: the encoding would lose them.
func sealedFences(hosts []spec.Host) error {
	for i := range hosts {
		if hosts[i].Fence == nil {
			continue
		}
		for name, s := range hosts[i].Fence.Options {
			if _, plain := s.Plain(); plain && len(s.HMAC) == 0 {
				return fmt.Errorf("%s: fence option %s was not sealed", hosts[i].Address, name)
			}
		}
	}
	return nil
}

// whole writes a record that depends on no other one.
func (e *specEncoder) whole(kind, key string, v any) error {
	data, err := encoder.Marshal(v)
	if err != nil {
		return err
	}
	_, err = e.w.add(key, record{Kind: kind, Whole: data})
	if errors.Is(err, errChunkFull) {
		e.w.flush()
		_, err = e.w.add(key, record{Kind: kind, Whole: data})
	}
	return err
}

// encodeBlocks writes the blocks of one type: the first of each block, and of each chunk, whole, the others as
// differences from it.
func encodeBlocks[T any](e *specEncoder, blocks []T, address func(*T) spec.Address) error {
	shape := shapeOf[T]()
	var base *T
	var block spec.Address
	var last spec.Source
	for i := range blocks {
		own := stripped(blocks[i])
		key := string(address(&own))
		if base != nil && address(&own).Block() == block {
			delta, zero := shape.difference(base, &own)
			data, err := encoder.Marshal(delta)
			if err != nil {
				return err
			}
			cut, err := e.w.add(key, record{Kind: shape.kind, Delta: data, Zero: zero})
			if err == nil {
				if cut {
					base = nil
				}
				continue
			}
			if !errors.Is(err, errChunkFull) {
				return err
			}
			e.w.flush()
		}
		before := len(e.w.chunks)
		written := own
		last = shape.relative(&written, last)
		if err := e.whole(shape.kind, key, &written); err != nil {
			return err
		}
		base, block = &own, address(&own).Block()
		if len(e.w.chunks) > before && len(e.w.buf) == 0 {
			base = nil
		}
	}
	e.w.flush()
	return nil
}

// stripped leaves the sealed text of an instance to the secret's own record.
func stripped[T any](block T) T {
	if in, ok := any(&block).(*spec.Instance); ok {
		in.UserData = spec.Secret{HMAC: in.UserData.HMAC}
	}
	return block
}

// shape knows the fields of a block type.
type shape struct {
	kind  string
	names []string     // of the fields, in the encoding
	delta reflect.Type // the same struct with every field left out when zero
	lines []int        // fields that say where something was written, the block itself first
}

func shapeOf[T any]() shape {
	t := reflect.TypeFor[T]()
	s := shape{kind: strings.ToLower(t.Name())}
	fields := make([]reflect.StructField, t.NumField())
	for i := range fields {
		fields[i] = t.Field(i)
		name, _, _ := strings.Cut(fields[i].Tag.Get("json"), ",")
		fields[i].Tag = reflect.StructTag(`json:"` + name + `,omitzero"`)
		s.names = append(s.names, name)
		if fields[i].Type == reflect.TypeFor[spec.Source]() {
			s.lines = append(s.lines, i)
		}
	}
	s.delta = reflect.StructOf(fields)
	return s
}

// relative makes the lines of a whole block relative: to the last whole one in the same file, and inside the block
// to the block. A line put in at the top of a file then changes one record, not all. It returns where
// this block is, for the next.
func (s shape) relative(block any, last spec.Source) (at spec.Source) {
	return s.shift(block, last, -1)
}

// absolute undoes relative.
func (s shape) absolute(block any, last spec.Source) (at spec.Source) {
	return s.shift(block, last, 1)
}

func (s shape) shift(block any, last spec.Source, sign int) (at spec.Source) {
	for n, i := range s.lines {
		source := reflect.ValueOf(block).Elem().Field(i).Addr().Interface().(*spec.Source)
		written := *source
		if source.File == last.File {
			source.Line += sign * last.Line
		}
		if n == 0 {
			last = written // what follows is relative to the block as it is in the file
			if sign > 0 {
				last = *source
			}
			at = last
		}
	}
	return at
}

// difference returns a struct of the delta type with the fields of next that differ from base, and
// the names of those that are zero in next only.
func (s shape) difference(base, next any) (delta any, zero []string) {
	a, b := reflect.ValueOf(base).Elem(), reflect.ValueOf(next).Elem()
	d := reflect.New(s.delta).Elem()
	for i := range s.names {
		if sameField(a.Field(i), b.Field(i)) {
			continue
		}
		if b.Field(i).IsZero() {
			zero = append(zero, s.names[i])
		} else {
			d.Field(i).Set(b.Field(i))
		}
	}
	return d.Addr().Interface(), zero
}

// sameField is DeepEqual with a short way for what blocks share.
func sameField(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Map, reflect.Slice:
		if a.Pointer() == b.Pointer() && a.Len() == b.Len() {
			return true
		}
	case reflect.Pointer:
		if a.Pointer() == b.Pointer() {
			return true
		}
	}
	if a.Comparable() && b.Comparable() && a.Kind() != reflect.Pointer {
		return a.Equal(b)
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// SpecOf decodes a kept revision.
func (st State) SpecOf(rev *Revision) (*spec.Spec, error) {
	t := transition{State: st}
	chunks, refused := t.chunks(rev.Chunks)
	if refused != nil {
		return nil, fmt.Errorf("revision %d: %w: %v", rev.Number, ErrCorrupt, refused)
	}
	s, err := DecodeSpec(chunks...)
	if err != nil {
		return nil, fmt.Errorf("revision %d: %w", rev.Number, err)
	}
	return s, nil
}

// DecodeSpec reads what EncodeSpec wrote, chunks in the order of the manifest. Instances of one
// block share their maps and slices.
func DecodeSpec(chunks ...Chunk) (*spec.Spec, error) {
	d, err := unchunk(chunks)
	if err != nil {
		return nil, err
	}
	s := &spec.Spec{}
	secrets := map[string][]byte{}
	readers := map[string]func(record) error{
		kindSpec: func(r record) error { return decode(r.Whole, s) },
		kindSecret: func(r record) error {
			var sealed spec.Secret
			err := decode(r.Whole, &sealed)
			secrets[string(sealed.HMAC)] = sealed.Sealed
			return err
		},
	}
	blockReader(readers, &s.Zones)
	blockReader(readers, &s.Hosts)
	blockReader(readers, &s.Aggregates)
	blockReader(readers, &s.Pools)
	blockReader(readers, &s.Flavors)
	blockReader(readers, &s.Images)
	blockReader(readers, &s.Networks)
	blockReader(readers, &s.Groups)
	blockReader(readers, &s.Keypairs)
	blockReader(readers, &s.Instances)
	if err := readRecords(d, readers); err != nil {
		return nil, err
	}
	for i := range s.Instances {
		in := &s.Instances[i]
		in.UserData.Sealed = secrets[string(in.UserData.HMAC)]
	}
	return s, nil
}

func readRecords(d *cbor.Decoder, readers map[string]func(record) error) error {
	for n := 1; ; n++ {
		var r record
		err := d.Decode(&r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("record %d: %w: %v", n, ErrCorrupt, err)
		}
		read := readers[r.Kind]
		if read == nil {
			return fmt.Errorf("record %d is a %q: %w", n, r.Kind, ErrNewer)
		}
		if err := read(r); err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
	}
}

// blockReader adds the reader of one block type, which appends to blocks.
func blockReader[T any](readers map[string]func(record) error, blocks *[]T) {
	s := shapeOf[T]()
	base := -1
	var last spec.Source
	readers[s.kind] = func(r record) error {
		var block T
		if r.Whole != nil {
			err := decode(r.Whole, &block)
			last = s.absolute(&block, last)
			*blocks = append(*blocks, block)
			base = len(*blocks) - 1
			return err
		}
		if base < 0 {
			return fmt.Errorf("a difference from nothing: %w", ErrCorrupt)
		}
		delta := reflect.New(s.delta)
		if err := decode(r.Delta, delta.Interface()); err != nil {
			return err
		}
		block = (*blocks)[base]
		s.patch(reflect.ValueOf(&block).Elem(), delta.Elem(), r.Zero)
		*blocks = append(*blocks, block)
		return nil
	}
}

// patch sets the fields of block that delta has, and empties those in zero.
func (s shape) patch(block, delta reflect.Value, zero []string) {
	for i, name := range s.names {
		if !delta.Field(i).IsZero() {
			block.Field(i).Set(delta.Field(i))
		}
		for _, z := range zero {
			if z == name {
				block.Field(i).SetZero()
			}
		}
	}
}

// distinct drops repeated chunks.
func distinct(chunks []Chunk) []Chunk {
	seen := make(map[string]bool, len(chunks))
	var kept []Chunk
	for _, c := range chunks {
		if !seen[c.Digest] {
			seen[c.Digest] = true
			kept = append(kept, c)
		}
	}
	return kept
}
