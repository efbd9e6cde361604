package libvirt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// certificates are the files that libvirt's clients use for TLS.
type certificates struct {
	ca, cert, key string
}

// certificateCandidates lists where libvirt looks: ?pkipath, else the user's folder, else the system's.
func certificateCandidates(pkiPath, home string) []certificates {
	if pkiPath != "" {
		return []certificates{flatCertificates(pkiPath)}
	}
	return []certificates{
		flatCertificates(filepath.Join(home, ".pki/libvirt")),
		{
			ca:   "/etc/pki/CA/cacert.pem",
			cert: "/etc/pki/libvirt/clientcert.pem",
			key:  "/etc/pki/libvirt/private/clientkey.pem",
		},
	}
}

func flatCertificates(dir string) certificates {
	return certificates{
		ca:   filepath.Join(dir, "cacert.pem"),
		cert: filepath.Join(dir, "clientcert.pem"),
		key:  filepath.Join(dir, "clientkey.pem"),
	}
}

// tlsConfig reads the first set of certificates whose CA exists.
func tlsConfig(e Endpoint) (*tls.Config, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/"
	}
	var missing error
	for _, files := range certificateCandidates(e.PKIPath, home) {
		ca, err := os.ReadFile(files.ca)
		if errors.Is(err, os.ErrNotExist) {
			missing = err
			continue
		}
		if err != nil {
			return nil, err
		}
		return files.config(ca, e)
	}
	return nil, &dialError{"there is no CA certificate for TLS: put it where libvirt looks (/etc/pki/CA/cacert.pem), or name its folder with ?pkipath= in the uri", missing}
}

func (c certificates) config(ca []byte, e Endpoint) (*tls.Config, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", c.ca)
	}
	config := &tls.Config{RootCAs: pool, ServerName: e.Host, InsecureSkipVerify: e.NoVerify}
	cert, err := tls.LoadX509KeyPair(c.cert, c.key)
	switch {
	case err == nil:
		config.Certificates = []tls.Certificate{cert}
	case !errors.Is(err, os.ErrNotExist): // a server may want none
		return nil, fmt.Errorf("client certificate %s: %w", c.cert, err)
	}
	return config, nil
}

// dialTLS opens a TLS connection. After the handshake libvirtd sends one byte 1 once it has accepted
// our certificate; a server that doesn't want us just closes.
func dialTLS(ctx context.Context, e Endpoint) (net.Conn, error) {
	config, err := tlsConfig(e)
	if err != nil {
		return nil, err
	}
	dialer := tls.Dialer{Config: config}
	conn, err := dialer.DialContext(ctx, "tcp", e.address())
	if err != nil {
		return nil, explainTLS(err, e)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var verdict [1]byte
	if _, err := conn.Read(verdict[:]); err != nil || verdict[0] != 1 {
		conn.Close()
		return nil, fmt.Errorf("libvirtd at %s refused our certificate: it must be signed by the host's CA and allowed by tls_allowed_dn_list (%v)", e.address(), err)
	}
	return conn, nil
}

func explainTLS(err error, e Endpoint) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("the certificate of %s is not signed by our CA (%w)", e.Host, err)
	case errors.As(err, &name):
		return fmt.Errorf("the certificate of %s is for another name (%w)", e.Host, err)
	case errors.As(err, &plain):
		return &dialError{e.address() + " doesn't speak TLS: is that libvirtd-tcp? Then the uri begins with qemu+tcp", err}
	}
	return explainTCP(err, e)
}
