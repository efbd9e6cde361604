package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/novaplan/novaplan/cluster/pki"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const raftProtocol = "novaplan-raft/1"

// fleet makes keepers of one authority.
type fleet struct {
	t         *testing.T
	authority *pki.Authority
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	a, err := pki.NewAuthority("default", nil, time.Now(), pki.AuthorityLife)
	if err != nil {
		t.Fatal(err)
	}
	return &fleet{t, a}
}

func (f *fleet) keeper(role pki.Role, name string) *pki.Keeper {
	f.t.Helper()
	req := pki.Request{Role: role, Name: name}
	if role == pki.Server {
		req.DNS, req.IPs = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	pair, err := f.authority.Issue(req, time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	dir := f.t.TempDir()
	files := pki.Files{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "c.pem"), Key: filepath.Join(dir, "c-key.pem")}
	if err := f.authority.Write(files.CA, filepath.Join(dir, "ca-key.pem"), false); err != nil {
		f.t.Fatal(err)
	}
	if err := pair.Write(files.Cert, files.Key, false); err != nil {
		f.t.Fatal(err)
	}
	k, err := pki.Open(files, nil, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

func open(t *testing.T, opts Options) *Port {
	t.Helper()
	p, err := Listen("127.0.0.1:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// echo answers what it reads on every connection until the listener is closed.
func echo(t *testing.T, l net.Listener) {
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if named, ok := c.(interface{ Peer() string }); ok && named.Peer() != "beta" {
				t.Errorf("%s calls", named.Peer())
			}
			running.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
}

// serve answers the API with who asks.
func serve(t *testing.T, p *Port) {
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := pki.Identity{}
		if r.TLS != nil {
			id, _ = pki.IdentityOf(*r.TLS)
		}
		_, _ = io.WriteString(w, r.Proto+" "+id.String())
	})}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(p.API()) })
	t.Cleanup(func() {
		server.Close()
		running.Wait()
	})
}

func speaks(t *testing.T, c net.Conn) {
	t.Helper()
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
		t.Fatalf("%q, %v", got, err)
	}
}

func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	defer client.CloseIdleConnections()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestOnePortForAll(t *testing.T) {
	f := newFleet(t)
	for name, keepers := range map[string][2]*pki.Keeper{"tls": {f.keeper(pki.Server, "alpha"), f.keeper(pki.Server, "beta")}, "plain": {}} {
		t.Run(name, func(t *testing.T) {
			alpha, beta := open(t, Options{Keeper: keepers[0]}), open(t, Options{Keeper: keepers[1]})
			echo(t, alpha.Listen(raftProtocol))
			serve(t, alpha)
			c, err := beta.Dial(t.Context(), alpha.Address(), raftProtocol)
			if err != nil {
				t.Fatal(err)
			}
			if named, ok := c.(interface{ Peer() string }); ok != (keepers[0] != nil) || ok && named.Peer() != "alpha" {
				t.Errorf("the other end is %v, known: %t", c, ok)
			}
			speaks(t, c)
			asMember := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				return beta.DialAPI(ctx, address)
			}}}
			want := "HTTP/1.1 nobody"
			if keepers[0] != nil {
				secure := &http.Transport{DialTLSContext: asMember.Transport.(*http.Transport).DialContext}
				asMember, want = &http.Client{Transport: secure}, "HTTP/1.1 server beta of fleet default"
				if got := get(t, asMember, "https://"+alpha.Address()); got != want {
					t.Errorf("as a member: %s, want %s", got, want)
				}
				return
			}
			if got := get(t, asMember, "http://"+alpha.Address()); got != want {
				t.Errorf("as a member: %s, want %s", got, want)
			}
		})
	}
}

func TestAPIClients(t *testing.T) {
	f := newFleet(t)
	p := open(t, Options{Keeper: f.keeper(pki.Server, "alpha")})
	serve(t, p)
	admin := f.keeper(pki.Admin, "alice").Client()
	token := admin.Clone()
	token.Certificates = nil
	for want, conf := range map[string]*tls.Config{"HTTP/2.0 admin alice of fleet default": admin, "HTTP/2.0 nobody": token} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}}
		if got := get(t, client, "https://"+p.Address()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := get(t, http.DefaultClient, "http://"+p.Address()); !strings.Contains(got, "use https") {
		t.Errorf("without TLS: %q", got)
	}
}

func TestDialSaysWhatIsWrong(t *testing.T) {
	f, stranger := newFleet(t), newFleet(t)
	alpha := open(t, Options{Keeper: f.keeper(pki.Server, "alpha")})
	plain := open(t, Options{})
	beta := open(t, Options{Keeper: f.keeper(pki.Server, "beta")})
	echo(t, alpha.Listen(raftProtocol))
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	tests := map[string]struct {
		from     *Port
		to       string
		protocol string
		want     string
	}{
		"an unknown protocol":    {beta, alpha.Address(), "novaplan-other/1", "doesn't speak this protocol"},
		"another authority":      {open(t, Options{Keeper: stranger.keeper(pki.Server, "beta")}), alpha.Address(), raftProtocol, "another authority"},
		"a client's certificate": {open(t, Options{Keeper: f.keeper(pki.Admin, "alice")}), alpha.Address(), raftProtocol, "refuses our certificate"},
		"TLS to plain":           {beta, plain.Address(), raftProtocol, "hung up when it was greeted"},
		"plain to TLS":           {plain, alpha.Address(), raftProtocol, "wants TLS"},
		"plain, and not there":   {plain, plain.Address(), raftProtocol, "isn't ready for this protocol"},
		"plain to elsewhere":     {plain, "192.0.2.1:8440", raftProtocol, "can do without TLS"},
		"nobody listens":         {beta, "127.0.0.1:1", raftProtocol, "connection refused"},
		"somebody who is silent": {open(t, Options{Keeper: f.keeper(pki.Server, "gamma"), Handshake: 50 * time.Millisecond}), silent.Addr().String(), raftProtocol, "in time"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := test.from.Dial(t.Context(), test.to, test.protocol)
			if err == nil {
				c.Close()
				t.Fatal("connected")
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.to) {
				t.Errorf("%v\nwant %q and %s", err, test.want, test.to)
			}
		})
	}
}

func TestListenRefuses(t *testing.T) {
	f := newFleet(t)
	if _, err := Listen("0.0.0.0:0", Options{}); !errors.Is(err, ErrPlain) {
		t.Errorf("plain text for everybody: %v", err)
	}
	if _, err := Listen("0.0.0.0:0", Options{Keeper: f.keeper(pki.Server, "a")}); !errors.Is(err, ErrAdvertise) {
		t.Errorf("an address that nobody can dial: %v", err)
	}
	p, err := Listen("0.0.0.0:0", Options{Keeper: f.keeper(pki.Server, "a"), Advertise: "alpha.example.org:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, port, _ := net.SplitHostPort(p.Local().String()); p.Address() != "alpha.example.org:"+port {
		t.Errorf("advertises %s", p.Address())
	}
}

// TestSilentConnections opens more connections than may be half open: the rest is closed at once, and the
// silent ones when their time is over. Members get in all the same afterwards.
func TestSilentConnections(t *testing.T) {
	f := newFleet(t)
	var log bytes.Buffer
	p := open(t, Options{Keeper: f.keeper(pki.Server, "alpha"), HalfOpen: 4, Handshake: 100 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil))})
	echo(t, p.Listen(raftProtocol))
	var conns []net.Conn
	for range 10 {
		c, err := net.Dial("tcp", p.Address())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	for _, c := range conns {
		if _, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("a silent connection ended with %v", err)
		}
	}
	if s := p.Stats(); s.Accepted != 10 || s.Refused == 0 {
		t.Errorf("%+v: want some refused", s)
	}
	beta := open(t, Options{Keeper: f.keeper(pki.Server, "beta")})
	c, err := beta.Dial(t.Context(), p.Address(), raftProtocol)
	if err != nil {
		t.Fatal(err)
	}
	speaks(t, c)
}

// TestCloseEndsHalfOpen closes a port with connections in every state: nothing of it goes on, see TestMain.
func TestCloseEndsHalfOpen(t *testing.T) {
	f := newFleet(t)
	p, err := Listen("127.0.0.1:0", Options{Keeper: f.keeper(pki.Server, "alpha")})
	if err != nil {
		t.Fatal(err)
	}
	p.Listen(raftProtocol) // and nobody accepts
	silent, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	beta := open(t, Options{Keeper: f.keeper(pki.Server, "beta")})
	waiting, err := beta.Dial(t.Context(), p.Address(), raftProtocol)
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	api := p.API()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{silent, waiting} {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a connection outlived the port")
		}
	}
	if _, err := api.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

func TestGateCountsByAddress(t *testing.T) {
	g := newGate(3, 1)
	far := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip)} }
	leave, _ := g.enter(far("192.0.2.1"))
	if again, first := g.enter(far("192.0.2.1")); again != nil || !first {
		t.Error("a second one from the same address, or it wasn't the first refusal")
	}
	if other, _ := g.enter(far("192.0.2.2")); other == nil {
		t.Error("another address was refused")
	}
	leave()
	if again, _ := g.enter(far("192.0.2.1")); again == nil {
		t.Error("the first one left, and there is still no room")
	}
	for range 2 {
		g.enter(far("127.0.0.1"))
	}
	if g.inside() != 3 {
		t.Errorf("%d inside, want 3: loopback counts towards the total only", g.inside())
	}
}
