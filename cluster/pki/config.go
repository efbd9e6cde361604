package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
)

// Accept returns the TLS configuration for one incoming connection: TLS 1.3, one of the protocols. A member
// connection wants a server's certificate of this authority; others may come with any certificate of this
// authority, or without.
func (k *Keeper) Accept(member bool, protocols ...string) *tls.Config {
	m := k.current()
	conf := &tls.Config{
		MinVersion: tls.VersionTLS13, Time: k.now, NextProtos: protocols,
		Certificates: []tls.Certificate{m.cert}, ClientCAs: m.roots, ClientAuth: tls.VerifyClientCertIfGiven,
		SessionTicketsDisabled: true, // a resumed session would outlive its certificate
	}
	if member {
		conf.ClientAuth = tls.RequireAndVerifyClientCert
		conf.VerifyConnection = sameFleetServer(m.id.Fleet)
	}
	return conf
}

// Member returns the TLS configuration to call another member with. Members are known by their role, not
// by the address that they are reached at.
func (k *Keeper) Member(protocol string) *tls.Config {
	m := k.current()
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Time: k.now, NextProtos: []string{protocol}, Certificates: []tls.Certificate{m.cert},
		// The standard check wants a name. VerifyConnection does all of the rest.
		InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if err := verifyPeer(cs, m.roots, k); err != nil {
				return err
			}
			return isServer(cs.PeerCertificates[0], m.id.Fleet)
		},
	}
}

// Client returns the TLS configuration to call the API of a server with: the server must be called by one
// of the names or addresses in its certificate.
func (k *Keeper) Client() *tls.Config {
	m := k.current()
	return &tls.Config{MinVersion: tls.VersionTLS13, Time: k.now, RootCAs: m.roots, Certificates: []tls.Certificate{m.cert}}
}

// TrustOnly returns the TLS configuration of a client that has no certificate of its own, only the
// authority's: it says who it is with a token.
func TrustOnly(caFile string) (*tls.Config, error) {
	authorities, err := ReadCertificates(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	for _, a := range authorities {
		roots.AddCert(a)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}, nil
}

func verifyPeer(cs tls.ConnectionState, roots *x509.CertPool, k *Keeper) error {
	if len(cs.PeerCertificates) == 0 {
		return ErrNoIdentity
	}
	between := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: k.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

func sameFleetServer(fleet string) func(tls.ConnectionState) error {
	return func(cs tls.ConnectionState) error { return isServer(cs.PeerCertificates[0], fleet) }
}

// NotServerError says that somebody who is no member wanted to be treated as one.
type NotServerError struct{ Identity Identity }

// Error names the peer.
func (e *NotServerError) Error() string {
	return fmt.Sprintf("%s is no server: members need certificates of novaplan tls cert create -server", e.Identity)
}

func isServer(cert *x509.Certificate, fleet string) error {
	id, err := FromCertificate(cert)
	if err != nil {
		return err
	}
	if id.Role != Server || id.Fleet != fleet {
		return &NotServerError{id}
	}
	return nil
}

// Covers reports whether clients can call a server with this certificate at a host, a DNS name or an
// address.
func Covers(cert *x509.Certificate, host string) bool {
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return true // nobody calls it by this
	}
	return cert.VerifyHostname(host) == nil
}
