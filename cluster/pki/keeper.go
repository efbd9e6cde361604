package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// material is what the files held when they were read last.
type material struct {
	cert  tls.Certificate
	roots *x509.CertPool
	id    Identity
	files [3]stamp
}

// stamp tells whether a file has changed.
type stamp struct {
	size    int64
	changed time.Time
}

// Keeper holds a certificate, its key and the authority, and reads the files again when they have changed.
// Files that don't fit together (yet) are passed over, and what was read before stays in use. It is safe
// for concurrent use.
type Keeper struct {
	files Files
	now   func() time.Time
	told  func(error) // of a renewal that failed; nil error: of one that worked

	mu     sync.Mutex
	held   *material
	failed [3]stamp // files that were read and didn't fit together
}

// Open reads the files. told is called when they have changed: with nil when they are in use now, with the
// error when they can't be used; it may be nil. Errors say what to do.
func Open(files Files, now func() time.Time, told func(error)) (*Keeper, error) {
	if now == nil {
		now = time.Now
	}
	if told == nil {
		told = func(error) {}
	}
	k := &Keeper{files: files, now: now, told: told}
	m, err := k.read(k.stamps())
	if err != nil {
		return nil, err
	}
	k.held = m
	return k, nil
}

// Identity returns whose certificate it is.
func (k *Keeper) Identity() Identity { return k.current().id }

// Expires returns when the certificate ends.
func (k *Keeper) Expires() time.Time { return k.current().cert.Leaf.NotAfter }

// Certificate returns the certificate that is in use.
func (k *Keeper) Certificate() *x509.Certificate { return k.current().cert.Leaf }

// Reload reads the files whether or not they have changed.
func (k *Keeper) Reload() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, err := k.read(k.stamps())
	if err == nil {
		k.held, k.failed = m, [3]stamp{}
	}
	return err
}

// current returns what the files hold, or what they held when they can't be used.
func (k *Keeper) current() *material {
	k.mu.Lock()
	defer k.mu.Unlock()
	stamps := k.stamps()
	if stamps == k.held.files || stamps == k.failed {
		return k.held
	}
	m, err := k.read(stamps)
	if err != nil {
		k.failed = stamps
	} else {
		k.held, k.failed = m, [3]stamp{}
	}
	k.told(err)
	return k.held
}

func (k *Keeper) stamps() (s [3]stamp) {
	for i, path := range []string{k.files.CA, k.files.Cert, k.files.Key} {
		if info, err := os.Stat(path); err == nil {
			s[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return s
}

func (k *Keeper) read(stamps [3]stamp) (*material, error) {
	authorities, err := ReadCertificates(k.files.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	for _, a := range authorities {
		if !a.IsCA {
			return nil, fmt.Errorf("%s is a certificate of %s, not of an authority", k.files.CA, a.Subject.CommonName)
		}
		roots.AddCert(a)
	}
	certs, err := ReadCertificates(k.files.Cert)
	if err != nil {
		return nil, err
	}
	key, err := readKey(k.files.Key)
	if err != nil {
		return nil, err
	}
	leaf := certs[0]
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return nil, fmt.Errorf("%s isn't the key of %s", k.files.Key, k.files.Cert)
	}
	id, err := FromCertificate(leaf)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: make one with novaplan tls cert create", k.files.Cert, err)
	}
	if err := k.verify(leaf, roots); err != nil {
		return nil, err
	}
	pair := tls.Certificate{PrivateKey: key, Leaf: leaf}
	for _, c := range certs {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	return &material{pair, roots, id, stamps}, nil
}

// verify makes sure that the certificate is one that others will accept.
func (k *Keeper) verify(leaf *x509.Certificate, roots *x509.CertPool) error {
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: k.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err == nil {
		return nil
	}
	if unknown := new(x509.UnknownAuthorityError); errors.As(err, unknown) {
		return fmt.Errorf("%s wasn't signed by %s: use the authority's certificate that it was made with, or make a new one", k.files.Cert, k.files.CA)
	}
	return fmt.Errorf("%s: %w", k.files.Cert, Explain(err))
}
