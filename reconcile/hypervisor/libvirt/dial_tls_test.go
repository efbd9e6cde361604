package libvirt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs the certificates of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	cert, err := x509.ParseCertificate(der)
	check(t, err)
	return authority{cert, key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return key
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// issue writes cacert.pem, clientcert.pem and clientkey.pem to a folder and returns the certificate.
func (a authority) issue(t *testing.T, dir, ip string) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.ParseIP(ip)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	check(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	for name, block := range map[string]pem.Block{
		"cacert.pem":     {Type: "CERTIFICATE", Bytes: a.cert.Raw},
		"clientcert.pem": {Type: "CERTIFICATE", Bytes: der},
		"clientkey.pem":  {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		check(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&block), 0o600))
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "clientcert.pem"), filepath.Join(dir, "clientkey.pem"))
	check(t, err)
	return cert
}

// tlsServer accepts one connection, sends the verdict byte (none: it just closes) and waits for the end.
func tlsServer(t *testing.T, ca authority, cert tls.Certificate, verdict string) (port string) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	check(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := conn.Write([]byte(verdict)); err == nil && verdict == "\x01" {
			_, _ = conn.Read(make([]byte, 1)) // until the client is done
		}
	}()
	_, port, err = net.SplitHostPort(listener.Addr().String())
	check(t, err)
	return port
}

func TestTLSLogin(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	trusted, foreign := t.TempDir(), t.TempDir()
	server := ca.issue(t, trusted, "127.0.0.1")
	other.issue(t, foreign, "127.0.0.1")
	elsewhere := ca.issue(t, t.TempDir(), "127.0.0.2")
	cases := map[string]struct {
		server  tls.Certificate
		verdict string
		pki     string
		noCheck bool
		want    string // "": a connection
	}{
		"accepted":              {server, "\x01", trusted, false, ""},
		"rejected":              {server, "\x00", trusted, false, "refused our certificate"},
		"thrown out":            {server, "", trusted, false, "refused our certificate"},
		"server of another":     {server, "\x01", foreign, false, "not signed by our CA"},
		"wrong name":            {elsewhere, "\x01", trusted, false, "for another name"},
		"wrong name, no_verify": {elsewhere, "\x01", trusted, true, ""},
		"no certificates":       {server, "\x01", filepath.Join(trusted, "none"), false, "?pkipath="},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := Endpoint{Transport: TransportTLS, Host: "127.0.0.1", Port: tlsServer(t, ca, c.server, c.verdict), PKIPath: c.pki, NoVerify: c.noCheck}
			conn, err := dial(t.Context(), e)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
			if conn != nil {
				conn.Close()
			}
		})
	}
}
