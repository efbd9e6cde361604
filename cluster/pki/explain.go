package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Explain adds to an error of a TLS connection what it means here and what to do. Others come back as
// they are.
func Explain(err error) error {
	if err == nil {
		return nil
	}
	if text := meaning(err); text != "" {
		return &explained{text, err}
	}
	return err
}

// explained reads as the explanation and is the error it explains.
type explained struct {
	text string
	err  error
}

// Error is the explanation.
func (e *explained) Error() string { return e.text }

// Unwrap returns what was explained.
func (e *explained) Unwrap() error { return e.err }

func meaning(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		remote  *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		return "the certificate was signed by another authority: both sides need the certificate of the same one (novaplan tls ca create makes it, once per fleet)"
	case errors.As(err, &name):
		return wrongName(name)
	case errors.As(err, &invalid):
		return unfit(invalid)
	case errors.As(err, &record):
		return "the other side doesn't speak TLS: is it a server without tls {} in its configuration, or another program?"
	case errors.As(err, &remote) && remote.Op == "remote error":
		return alerted(remote.Err)
	}
	return ""
}

func wrongName(err x509.HostnameError) string {
	names := append([]string(nil), err.Certificate.DNSNames...)
	for _, ip := range err.Certificate.IPAddresses {
		names = append(names, ip.String())
	}
	known := "no name at all"
	if len(names) > 0 {
		known = strings.Join(names, ", ")
	}
	return fmt.Sprintf("the server's certificate is for %s, not for %s: call it by what is in it, or make it again with -dns or -ip %s and -force", known, err.Host, err.Host)
}

func unfit(err x509.CertificateInvalidError) string {
	if err.Cert == nil {
		return ""
	}
	who := err.Cert.Subject.CommonName
	if id, e := FromCertificate(err.Cert); e == nil {
		who = string(id.Role) + " " + id.Name
	}
	switch {
	case err.Reason == x509.Expired && time.Now().Before(err.Cert.NotBefore):
		return fmt.Sprintf("the certificate of %s is good from %s only: is the clock right?", who, err.Cert.NotBefore.UTC().Format(time.DateTime))
	case err.Reason == x509.Expired:
		return fmt.Sprintf("the certificate of %s expired on %s: renew it with novaplan tls cert create and -force; servers read it without a restart",
			who, err.Cert.NotAfter.UTC().Format(time.DateOnly))
	case err.Reason == x509.IncompatibleUsage:
		return fmt.Sprintf("the certificate of %s isn't meant for this: servers need one of novaplan tls cert create -server", who)
	case err.Reason == x509.CANotAuthorizedForThisName:
		return fmt.Sprintf("the certificate of %s is outside of what its authority may sign: another fleet, or a domain that novaplan tls ca create wasn't told of", who)
	}
	return ""
}

// The alerts of TLS (RFC 8446, section 6) that the other side answers with.
const (
	alertBadCertificate         = 42
	alertUnsupportedCertificate = 43
	alertCertificateExpired     = 45
	alertUnknownAuthority       = 48
	alertCertificateRequired    = 116
	alertNoProtocol             = 120
)

// alerted explains an alert, whose type crypto/tls keeps to itself outside of QUIC: only its text tells
// which one it is.
func alerted(err error) string {
	is := func(alerts ...tls.AlertError) bool {
		return slices.ContainsFunc(alerts, func(a tls.AlertError) bool { return a.Error() == err.Error() })
	}
	switch {
	case is(alertCertificateExpired):
		return "the other side says that our certificate has expired: renew it with novaplan tls cert create and -force"
	case is(alertUnknownAuthority):
		return "the other side doesn't know the authority that signed our certificate: both sides need the same one"
	case is(alertBadCertificate, alertUnsupportedCertificate):
		return "the other side refuses our certificate: novaplan tls cert show says who it is for and until when; its log says why"
	case is(alertCertificateRequired):
		return "the other side wants a certificate"
	case is(alertNoProtocol):
		return "the other side doesn't speak this protocol: is it a novaplan server, and of a version that can join this one?"
	}
	return ""
}
