package spec

// Secret is a value that only the executor may read. Before it is sealed it holds the plain text;
// the proposer seals it before anything leaves the process, and from then on it is compared by HMAC.
//
// The plain text is never encoded: a Secret that was not sealed loses it, on purpose.
type Secret struct {
	HMAC   []byte `json:"hmac,omitempty"`   // HMAC-SHA256 of the plain text under the fleet's key
	Sealed []byte `json:"sealed,omitempty"` // nonce and XChaCha20-Poly1305 ciphertext

	plain string
	set   bool
}

// NewSecret returns an unsealed secret.
func NewSecret(plain string) Secret { return Secret{plain: plain, set: true} }

// Plain returns the unsealed text and whether there is one.
func (s Secret) Plain() (string, bool) { return s.plain, s.set }

// IsZero reports whether nothing was ever written here.
func (s Secret) IsZero() bool { return !s.set && len(s.HMAC) == 0 && len(s.Sealed) == 0 }

// String never shows the text.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return "(sensitive)"
}
