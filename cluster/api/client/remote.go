package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Remote says how to reach a server.
type Remote struct {
	Addresses  []string // https://host:port, host:port, or the path of a unix socket; tried in turn
	Token      string   // "" when a certificate says who we are
	CACert     string   // file with the certificates that the server's is signed by; "" is the system's
	ClientCert string   // files of our own certificate and its key
	ClientKey  string
}

// dialTimeout bounds how long one address may take to accept a connection.
const dialTimeout = 5 * time.Second

// Open returns a client of a server. Nothing is sent in plain text but over loopback and unix sockets.
func (r Remote) Open() (*Client, error) {
	bases := make([]string, 0, len(r.Addresses))
	sockets := map[string]string{}
	for i, address := range r.Addresses {
		switch {
		case strings.HasPrefix(address, "unix:") || strings.Contains(address, "/") && !strings.Contains(address, "://"):
			host := fmt.Sprintf("socket-%d.invalid", i)
			sockets[host+":80"] = strings.TrimPrefix(strings.TrimPrefix(address, "unix:"), "//")
			bases = append(bases, "http://"+host)
		case strings.HasPrefix(address, "http://"):
			if !loopback(address) {
				return nil, fmt.Errorf("%s is plain text on a network: use https", address)
			}
			bases = append(bases, strings.TrimSuffix(address, "/"))
		case strings.HasPrefix(address, "https://"):
			bases = append(bases, strings.TrimSuffix(address, "/"))
		case strings.Contains(address, "://"):
			return nil, fmt.Errorf("%s: want https://HOST:PORT or the path of a socket", address)
		default:
			bases = append(bases, "https://"+address)
		}
	}
	if len(bases) == 0 {
		return nil, errors.New("no address of a server")
	}
	conf, err := r.tls()
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	return &Client{
		bases: newBases(bases...), token: r.Token, remote: true,
		http: &http.Client{Transport: &http.Transport{
			TLSClientConfig: conf, TLSHandshakeTimeout: dialTimeout,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if path, ok := sockets[address]; ok {
					return dialer.DialContext(ctx, "unix", path)
				}
				return dialer.DialContext(ctx, network, address)
			},
		}},
	}, nil
}

// loopback reports whether a plain address stays on this machine.
func loopback(address string) bool {
	host := strings.TrimPrefix(address, "http://")
	if h, _, err := net.SplitHostPort(strings.TrimSuffix(host, "/")); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tls speaks HTTP/1.1: a console needs the whole connection.
func (r Remote) tls() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}
	if r.CACert != "" {
		pem, err := os.ReadFile(r.CACert)
		if err != nil {
			return nil, fmt.Errorf("CA certificate: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA certificate: %s holds none", r.CACert)
		}
	}
	if r.ClientCert == "" && r.ClientKey == "" {
		return conf, nil
	}
	pair, err := tls.LoadX509KeyPair(r.ClientCert, r.ClientKey)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	conf.Certificates = []tls.Certificate{pair}
	return conf, nil
}

// bases are the addresses, the one that answered last first.
type bases struct {
	mu   sync.Mutex
	list []string
}

func newBases(list ...string) *bases { return &bases{list: list} }

func (b *bases) inTurn() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.list)
}

func (b *bases) answered(base string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.list, base)
	if i > 0 {
		b.list = append([]string{base}, slices.Delete(b.list, i, i+1)...)
	}
}
