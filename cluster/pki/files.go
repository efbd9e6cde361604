package pki

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Files are where a certificate, its key, and the authority that signs the certificates of the others are.
type Files struct {
	CA   string
	Cert string
	Key  string
}

// ErrExists says that a file is there already: certificates are replaced on purpose only.
var ErrExists = errors.New("exists already")

// The types of PEM blocks.
const (
	pemCert = "CERTIFICATE"
	pemKey  = "PRIVATE KEY"
)

// Write writes the certificate, for everyone to read, and the key, for its owner only. Files that exist are
// left alone, ErrExists, unless replace is set; each is written whole or not at all.
func (p Pair) Write(certFile, keyFile string, replace bool) error {
	key, err := x509.MarshalPKCS8PrivateKey(p.Key)
	if err != nil {
		return err
	}
	if !replace {
		for _, path := range []string{certFile, keyFile} {
			if _, err := os.Lstat(path); err == nil {
				return fmt.Errorf("%s: %w", path, ErrExists)
			}
		}
	}
	if err := writeFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: key}), 0o600, replace); err != nil {
		return err
	}
	return writeFile(certFile, pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: p.Cert.Raw}), 0o644, replace)
}

func writeFile(path string, data []byte, mode fs.FileMode, replace bool) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err := errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if replace {
		return os.Rename(tmp.Name(), path)
	}
	err = os.Link(tmp.Name(), path) // never in place of another
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	return err
}

// LoadAuthority reads an authority and its key.
func LoadAuthority(certFile, keyFile string) (*Authority, error) {
	certs, err := ReadCertificates(certFile)
	if err != nil {
		return nil, err
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, err
	}
	a := &Authority{Pair{certs[0], key}}
	switch {
	case !a.Cert.IsCA || a.Fleet() == "":
		return nil, fmt.Errorf("%s is no authority of a fleet: make one with novaplan tls ca create", certFile)
	case !key.PublicKey.Equal(a.Cert.PublicKey):
		return nil, fmt.Errorf("%s isn't the key of %s", keyFile, certFile)
	}
	return a, nil
}

// ReadCertificates reads the certificates of a PEM file, at least one.
func ReadCertificates(path string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	var certs []*x509.Certificate
	sawKey := false
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != pemCert {
			sawKey = sawKey || block.Type == pemKey || block.Type == "EC PRIVATE KEY"
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		certs = append(certs, cert)
	}
	switch {
	case len(certs) > 0:
		return certs, nil
	case sawKey:
		return nil, fmt.Errorf("%s holds a private key, not a certificate", path)
	}
	return nil, fmt.Errorf("%s holds no certificate: want a PEM file", path)
}

// readKey reads a private key that only its owner, and at most a group, may read.
func readKey(path string) (*ecdsa.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("key %s can be read by everybody: chmod o= it", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != pemKey {
		return nil, fmt.Errorf("%s holds no private key: want a PEM file with a PRIVATE KEY", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("key %s is of type %T: want ECDSA, as novaplan tls makes them", path, parsed)
	}
	return key, nil
}
