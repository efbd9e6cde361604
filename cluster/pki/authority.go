package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// How long certificates are good for when nobody says otherwise. They begin an hour ago, for clocks that
// are behind.
const (
	AuthorityLife   = 10 * 365 * 24 * time.Hour
	CertificateLife = 365 * 24 * time.Hour
	backdate        = time.Hour
)

// Pair is a certificate and its private key.
type Pair struct {
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
}

// Authority signs the certificates of one fleet.
type Authority struct{ Pair }

// Fleet returns the label of the fleet that the authority is for.
func (a *Authority) Fleet() string {
	if len(a.Cert.PermittedURIDomains) == 0 {
		return ""
	}
	return a.Cert.PermittedURIDomains[0]
}

// NewAuthority makes the authority of a fleet: constrained to that fleet's identities, and to the DNS
// domains when there are any. It can't sign further authorities.
func NewAuthority(fleet string, domains []string, now time.Time, life time.Duration) (*Authority, error) {
	label := FleetLabel(fleet)
	if label == "" {
		return nil, fmt.Errorf("fleet %q: the name has neither a letter nor a digit", fleet)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"novaplan"}, CommonName: "novaplan fleet " + label},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(life),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,

		PermittedDNSDomainsCritical: true,
		PermittedURIDomains:         []string{label},
	}
	if len(domains) > 0 {
		template.PermittedDNSDomains = append(slices.Clone(domains), "localhost")
	}
	pair, err := sign(template, nil)
	if err != nil {
		return nil, fmt.Errorf("authority of fleet %s: %w", label, err)
	}
	return &Authority{pair}, nil
}

// Request is what a certificate is wanted for.
type Request struct {
	Role Role
	Name string
	DNS  []string // names that a server is called by
	IPs  []net.IP // addresses that a server is called by
	Life time.Duration
}

// ErrExpired says that the authority itself is over.
var ErrExpired = errors.New("the authority has expired")

// Issue signs a certificate. It never outlives the authority: ErrExpired when that is over already.
// Servers get both extended key usages, because members call each other.
func (a *Authority) Issue(req Request, now time.Time) (Pair, error) {
	id := Identity{Fleet: a.Fleet(), Role: req.Role, Name: req.Name}
	if err := id.check(); err != nil {
		return Pair{}, err
	}
	if !a.Cert.NotAfter.After(now) {
		return Pair{}, fmt.Errorf("%w on %s", ErrExpired, a.Cert.NotAfter.Format(time.DateOnly))
	}
	if err := a.permits(req.DNS); err != nil {
		return Pair{}, err
	}
	life := req.Life
	if life == 0 {
		life = CertificateLife
	}
	end := now.Add(life)
	if end.After(a.Cert.NotAfter) {
		end = a.Cert.NotAfter
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"novaplan"}, OrganizationalUnit: []string{string(req.Role)}, CommonName: req.Name},
		NotBefore:             later(now.Add(-backdate), a.Cert.NotBefore),
		NotAfter:              end,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs:                  []*url.URL{id.uri()},
	}
	if req.Role == Server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
		template.DNSNames, template.IPAddresses = req.DNS, req.IPs
	} else if len(req.DNS)+len(req.IPs) > 0 {
		return Pair{}, fmt.Errorf("%s %s: only servers have DNS names and addresses", req.Role, req.Name)
	}
	return sign(template, a)
}

// permits asks crypto/x509 nothing: a name outside the authority's domains would only be found out when
// somebody connects.
func (a *Authority) permits(names []string) error {
	if len(a.Cert.PermittedDNSDomains) == 0 {
		return nil
	}
	for _, name := range names {
		inside := func(domain string) bool { return name == domain || strings.HasSuffix(name, "."+domain) }
		if !slices.ContainsFunc(a.Cert.PermittedDNSDomains, inside) {
			return fmt.Errorf("DNS name %s: this authority is for %v only", name, a.Cert.PermittedDNSDomains)
		}
	}
	return nil
}

// sign makes a key and a certificate for it, signed by the authority, or by itself when there is none.
func sign(template *x509.Certificate, by *Authority) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Pair{}, err
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	parent, signer := template, key
	if by != nil {
		parent, signer = by.Cert, by.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return Pair{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return Pair{cert, key}, err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
