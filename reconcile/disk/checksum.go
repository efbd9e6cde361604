package disk

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
)

// checksum is what a spec says of an image's content.
type checksum struct {
	algorithm string // "sha256" or "sha512"
	hex       string
}

// parseChecksum reads "sha256:<hex>" or "sha512:<hex>".
func parseChecksum(s string) (checksum, error) {
	algorithm, digits, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(digits)
	c := checksum{algorithm, strings.ToLower(digits)}
	if h := c.hash(); h == nil || err != nil || len(raw) != h.Size() {
		return checksum{}, fmt.Errorf("%w: checksum %q is neither sha256:<64 hex digits> nor sha512:<128 hex digits>", ErrImage, s)
	}
	return c, nil
}

func (c checksum) String() string { return c.algorithm + ":" + c.hex }

// hash returns a new hash of the algorithm, nil when it isn't known.
func (c checksum) hash() hash.Hash {
	switch c.algorithm {
	case "sha256":
		return sha256.New()
	case "sha512":
		return sha512.New()
	}
	return nil
}

// summer computes the digest that names an image, always sha256, and the declared checksum in one go.
type summer struct {
	io.Writer
	digest   hash.Hash
	declared hash.Hash // the same as digest for sha256
	want     checksum  // zero: nothing was declared
}

func newSummer(want checksum) *summer {
	s := &summer{digest: sha256.New(), want: want}
	s.Writer, s.declared = s.digest, s.digest
	if want.algorithm == "sha512" {
		s.declared = sha512.New()
		s.Writer = io.MultiWriter(s.digest, s.declared)
	}
	return s
}

// verify returns the digest, or ErrChecksum when the content isn't the declared one.
func (s *summer) verify() (string, error) {
	got := checksum{s.want.algorithm, hex.EncodeToString(s.declared.Sum(nil))}
	if s.want != (checksum{}) && got != s.want {
		return "", fmt.Errorf("%w: want %s, got %s", ErrChecksum, s.want, got)
	}
	return "sha256:" + hex.EncodeToString(s.digest.Sum(nil)), nil
}
