package libvirt

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Transport is how a libvirtd is reached.
type Transport string

// The transports of libvirt URIs that the driver knows.
const (
	TransportUnix Transport = "unix"
	TransportTCP  Transport = "tcp"
	TransportTLS  Transport = "tls"
	TransportSSH  Transport = "ssh"
)

// Endpoint is a parsed libvirt URI.
type Endpoint struct {
	Transport Transport
	Host      string // name or address; empty for unix
	Port      string // empty: the transport's own
	User      string // ssh only
	Remote    string // the URI that libvirtd itself is asked for, such as qemu:///system
	Socket    string // ?socket=, unix only
	PKIPath   string // ?pkipath=, the folder of the certificates, tls only
	NoVerify  bool   // ?no_verify=1, tls only
}

// The parameters each transport understands. A misspelt one would otherwise silently do nothing.
var uriParameters = map[Transport]string{
	TransportUnix: "socket",
	TransportTCP:  "",
	TransportTLS:  "pkipath no_verify",
	TransportSSH:  "",
}

// ParseURI parses qemu:///system, qemu+unix://, qemu+tcp://, qemu+tls:// and qemu+ssh:// URIs. As in
// libvirt, qemu://host/system without a transport is TLS.
func ParseURI(text string) (Endpoint, error) {
	uri, err := url.Parse(text)
	if err != nil {
		return Endpoint{}, fmt.Errorf("libvirt URI %q: %w", text, err)
	}
	driver, transport, hasTransport := strings.Cut(uri.Scheme, "+")
	if driver != "qemu" {
		return Endpoint{}, fmt.Errorf("libvirt URI %q: scheme %q: want qemu, qemu+unix, qemu+tcp, qemu+tls or qemu+ssh", text, uri.Scheme)
	}
	if uri.Path != "/system" && uri.Path != "/session" {
		return Endpoint{}, fmt.Errorf("libvirt URI %q: path %q: want /system", text, uri.Path)
	}
	e := Endpoint{
		Transport: Transport(transport),
		Host:      uri.Hostname(),
		Port:      uri.Port(),
		Remote:    "qemu://" + uri.Path,
		Socket:    uri.Query().Get("socket"),
		PKIPath:   uri.Query().Get("pkipath"),
		NoVerify:  uri.Query().Get("no_verify") == "1",
	}
	if uri.User != nil {
		e.User = uri.User.Username()
	}
	if !hasTransport {
		e.Transport = TransportUnix
		if e.Host != "" {
			e.Transport = TransportTLS
		}
	}
	if err := e.check(uri.Query()); err != nil {
		return Endpoint{}, fmt.Errorf("libvirt URI %q: %w", text, err)
	}
	return e, nil
}

func (e Endpoint) check(query url.Values) error {
	known, ok := uriParameters[e.Transport]
	if !ok {
		return fmt.Errorf("transport %q: want unix, tcp, tls or ssh", e.Transport)
	}
	for name := range query {
		if !strings.Contains(" "+known+" ", " "+name+" ") {
			return fmt.Errorf("parameter %q is not known for %s", name, e.Transport)
		}
	}
	if e.Transport == TransportUnix && e.Host != "" {
		return fmt.Errorf("a unix socket has no host, but the URI names %q", e.Host)
	}
	if e.Transport != TransportUnix && e.Host == "" {
		return fmt.Errorf("%s wants a host", e.Transport)
	}
	// ssh would take such a name for an option.
	if strings.HasPrefix(e.Host, "-") || strings.HasPrefix(e.User, "-") {
		return fmt.Errorf("host or user begins with a dash")
	}
	return nil
}

// address is host and port for TCP and TLS.
func (e Endpoint) address() string {
	port := e.Port
	switch {
	case port != "":
	case e.Transport == TransportTLS:
		port = "16514"
	default:
		port = "16509"
	}
	return net.JoinHostPort(e.Host, port)
}
