// Package seal keeps the secrets of a spec from everyone but the executor.
//
// A sealed secret is two things: an HMAC-SHA256 of its text, by which it is compared, and the text under
// XChaCha20-Poly1305. The nonce derives from the text (as in SIV modes), so equal texts seal to equal
// bytes under one key: a spec that did not change encodes to the same revision. What that gives away,
// which secrets are equal, the HMAC gives away anyway.
//
// The key is outside the record: one file per cluster in the user's configuration folder, readable by its
// owner only. Whoever loses it loses the secrets in the record, not those in the spec.
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/novaplan/novaplan/spec"
)

// KeyBytes is the length of a key.
const KeyBytes = 32

// ErrOpen says that a secret was sealed under another key, or was changed since.
var ErrOpen = errors.New("the secret can't be opened with this cluster's key")

// Key seals and opens. It is safe for concurrent use.
type Key struct {
	master          []byte
	compare, nonces []byte // HMAC keys
	aead            cipher.AEAD
}

// NewKey returns a random key.
func NewKey() *Key {
	master := make([]byte, KeyBytes)
	_, _ = rand.Read(master) // never fails, see crypto/rand
	k, err := keyOf(master)
	if err != nil {
		panic(err) // the length is right
	}
	return k
}

func keyOf(master []byte) (*Key, error) {
	if len(master) != KeyBytes {
		return nil, fmt.Errorf("a key of %d bytes, want %d", len(master), KeyBytes)
	}
	k := &Key{master: master}
	var encryption []byte
	for info, to := range map[string]*[]byte{"novaplan seal compare": &k.compare, "novaplan seal nonce": &k.nonces, "novaplan seal encrypt": &encryption} {
		derived, err := hkdf.Expand(sha256.New, master, info, KeyBytes)
		if err != nil {
			return nil, err
		}
		*to = derived
	}
	aead, err := chacha20poly1305.NewX(encryption)
	k.aead = aead
	return k, err
}

// Seal returns plain as a sealed secret. Equal texts give equal secrets.
func (k *Key) Seal(plain string) spec.Secret {
	nonce := mac(k.nonces, plain)[:chacha20poly1305.NonceSizeX]
	sum := mac(k.compare, plain)
	return spec.Secret{HMAC: sum, Sealed: k.aead.Seal(nonce, nonce, []byte(plain), sum)}
}

// Open returns the text of a sealed secret, or ErrOpen. One that was never sealed is returned as it is; the
// zero Secret is "".
func (k *Key) Open(s spec.Secret) (string, error) {
	if len(s.Sealed) == 0 {
		plain, _ := s.Plain()
		return plain, nil
	}
	if len(s.Sealed) < chacha20poly1305.NonceSizeX {
		return "", ErrOpen
	}
	nonce, text := s.Sealed[:chacha20poly1305.NonceSizeX], s.Sealed[chacha20poly1305.NonceSizeX:]
	plain, err := k.aead.Open(nil, nonce, text, s.HMAC)
	if err != nil {
		return "", ErrOpen
	}
	return string(plain), nil
}

// Spec seals every secret of s that is not sealed yet, in place: instances and hosts are changed,
// what they share is copied first.
func Spec(k *Key, s *spec.Spec) {
	sealed := map[string]spec.Secret{}
	With(s, func(plain string) spec.Secret {
		known, ok := sealed[plain]
		if !ok {
			known = k.Seal(plain)
			sealed[plain] = known
		}
		return known
	})
}

// Texts returns the secrets of s that are not sealed yet, once each.
func Texts(s *spec.Spec) []string {
	var texts []string
	known := map[string]bool{}
	note := func(secret spec.Secret) {
		plain, set := secret.Plain()
		if set && len(secret.HMAC) == 0 && !known[plain] {
			known[plain] = true
			texts = append(texts, plain)
		}
	}
	for i := range s.Instances {
		note(s.Instances[i].UserData)
	}
	for i := range s.Hosts {
		if f := s.Hosts[i].Fence; f != nil {
			for _, name := range slices.Sorted(maps.Keys(f.Options)) {
				note(f.Options[name])
			}
		}
	}
	return texts
}

// With is Spec with whatever seals a text.
func With(s *spec.Spec, sealText func(plain string) spec.Secret) {
	seal := func(secret spec.Secret) spec.Secret {
		plain, set := secret.Plain()
		if !set || len(secret.HMAC) > 0 {
			return secret
		}
		return sealText(plain)
	}
	for i := range s.Instances {
		s.Instances[i].UserData = seal(s.Instances[i].UserData)
	}
	fences := map[*spec.Fence]*spec.Fence{}
	for i := range s.Hosts {
		old := s.Hosts[i].Fence
		if old == nil {
			continue
		}
		if fences[old] == nil {
			fresh := &spec.Fence{Agent: old.Agent, Options: maps.Clone(old.Options)}
			for name, secret := range fresh.Options {
				fresh.Options[name] = seal(secret)
			}
			fences[old] = fresh
		}
		s.Hosts[i].Fence = fences[old]
	}
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(text))
	return h.Sum(nil)
}
