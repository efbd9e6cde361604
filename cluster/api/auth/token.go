package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
)

const (
	prefix      = "np_"
	idBytes     = 6
	secretBytes = 32
)

// NewToken returns a fresh token's id, the text to hand out once, and the hash of its secret for the record.
func NewToken() (id, text string, hash []byte) {
	random := make([]byte, idBytes+secretBytes)
	_, _ = rand.Read(random) // never fails, see crypto/rand
	id = hex.EncodeToString(random[:idBytes])
	secret := hex.EncodeToString(random[idBytes:])
	return id, prefix + id + "_" + secret, hashOf(secret)
}

func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// parse takes a token's text apart.
func parse(text string) (id, secret string, ok bool) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return "", "", false
	}
	id, secret, ok = strings.Cut(rest, "_")
	return id, secret, ok && len(id) == 2*idBytes && len(secret) == 2*secretBytes
}

// matches reports whether secret is the token's, in constant time.
func matches(t *state.Token, secret string) bool {
	return subtle.ConstantTimeCompare(t.Hash, hashOf(secret)) == 1
}
