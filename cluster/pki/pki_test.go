package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var today = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func authority(t *testing.T, fleet string, domains ...string) *Authority {
	t.Helper()
	a, err := NewAuthority(fleet, domains, today, AuthorityLife)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// issued writes a certificate beside its authority's and returns the files.
func issued(t *testing.T, a *Authority, dir string, req Request, at time.Time) Files {
	t.Helper()
	f := Files{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, req.Name+".pem"), Key: filepath.Join(dir, req.Name+"-key.pem")}
	if err := a.Write(f.CA, filepath.Join(dir, "ca-key.pem"), true); err != nil {
		t.Fatal(err)
	}
	pair, err := a.Issue(req, at)
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Write(f.Cert, f.Key, true); err != nil {
		t.Fatal(err)
	}
	return f
}

func keeper(t *testing.T, a *Authority, req Request) *Keeper {
	t.Helper()
	k, err := Open(issued(t, a, t.TempDir(), req, today), func() time.Time { return today }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// shake connects two ends and returns whom the server saw, and both errors.
func shake(t *testing.T, server, client *tls.Config) (seen Identity, serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		c := tls.Server(far, server)
		if serverErr = c.HandshakeContext(context.Background()); serverErr == nil {
			seen, _ = IdentityOf(c.ConnectionState())
			_, serverErr = c.Write([]byte{1})
		}
	}()
	c := tls.Client(near, client)
	if clientErr = c.HandshakeContext(context.Background()); clientErr == nil {
		_, clientErr = c.Read(make([]byte, 1)) // a refusal of the client's certificate comes late in TLS 1.3
	}
	near.Close()
	<-done
	return seen, serverErr, clientErr
}

func TestIdentityRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Identity{
			Fleet: FleetLabel(rapid.StringMatching(`[A-Za-z0-9]([A-Za-z0-9 _-]{0,70})`).Draw(t, "fleet")),
			Role:  rapid.SampledFrom(append(ClientRoles(), Server)).Draw(t, "role"),
			Name:  rapid.StringMatching(`[A-Za-z0-9]([A-Za-z0-9._@-]{0,30}[A-Za-z0-9])?`).Draw(t, "name"),
		}
		if err := want.check(); err != nil {
			t.Fatal(err)
		}
		u := want.uri()
		if _, err := u.Parse(u.String()); err != nil {
			t.Fatal(err)
		}
		got, err := FromCertificate(&x509.Certificate{URIs: append(x509.Certificate{}.URIs, u)})
		if err != nil || got != want {
			t.Fatalf("%s reads as %v, %v", u, got, err)
		}
	})
}

func TestFleetLabel(t *testing.T) {
	for name, want := range map[string]string{"default": "default", "Prod Fleet_1": "prod-fleet-1", "-a-": "a", "äöü": "", "": ""} {
		if got := FleetLabel(name); got != want {
			t.Errorf("FleetLabel(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestHandshakes(t *testing.T) {
	a, stranger := authority(t, "prod"), authority(t, "prod")
	other := authority(t, "test")
	server := keeper(t, a, Request{Role: Server, Name: "alpha", DNS: []string{"alpha.example.org"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	api := server.Accept(false, "h2")
	member := server.Accept(true, "novaplan-raft/1")
	admin := keeper(t, a, Request{Role: Admin, Name: "alice"})
	beta := keeper(t, a, Request{Role: Server, Name: "beta"})

	named := func(k *Keeper, name string) *tls.Config {
		c := k.Client()
		c.ServerName = name
		return c
	}
	old := a.Cert
	noCert := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "alpha.example.org", Time: func() time.Time { return today }}
	noCert.RootCAs.AddCert(old)
	sneaky := beta.Member("novaplan-raft/1")
	sneaky.Certificates = []tls.Certificate{admin.held.cert}

	tests := map[string]struct {
		server, client *tls.Config
		seen           Identity
		clientErr      string // "": both are content
	}{
		"a token's client":            {api, noCert, Identity{}, ""},
		"a client's certificate":      {api, named(admin, "alpha.example.org"), Identity{"prod", Admin, "alice"}, ""},
		"called by address":           {api, named(admin, "127.0.0.1"), Identity{"prod", Admin, "alice"}, ""},
		"a member":                    {member, beta.Member("novaplan-raft/1"), Identity{"prod", Server, "beta"}, ""},
		"called by another name":      {api, named(admin, "gamma"), Identity{}, "alpha.example.org, 127.0.0.1, not for gamma"},
		"another authority":           {api, named(keeper(t, stranger, Request{Role: Admin, Name: "eve"}), "alpha.example.org"), Identity{}, "another authority"},
		"another fleet":               {member, keeper(t, other, Request{Role: Server, Name: "beta"}).Member("novaplan-raft/1"), Identity{}, "another authority"},
		"an admin as member":          {member, sneaky, Identity{}, "refuses our certificate"},
		"no certificate as member":    {member, &tls.Config{InsecureSkipVerify: true}, Identity{}, "wants a certificate"},
		"a member calls an API only":  {api, beta.Member("novaplan-raft/1"), Identity{}, "doesn't speak this protocol"},
		"a client's cert as a server": {&tls.Config{Certificates: []tls.Certificate{admin.held.cert}}, beta.Member("x"), Identity{}, "isn't meant for this"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			seen, serverErr, clientErr := shake(t, test.server, test.client)
			if test.clientErr == "" {
				if serverErr != nil || clientErr != nil || seen != test.seen {
					t.Fatalf("saw %v; server: %v, client: %v", seen, serverErr, clientErr)
				}
				return
			}
			if clientErr == nil || !strings.Contains(Explain(clientErr).Error(), test.clientErr) {
				t.Errorf("client: %v\nwant %q", Explain(clientErr), test.clientErr)
			}
			if serverErr == nil {
				t.Error("the server was content")
			}
		})
	}
}

func TestIssueRefuses(t *testing.T) {
	a := authority(t, "prod", "example.org")
	for name, test := range map[string]struct {
		req  Request
		at   time.Time
		want string
	}{
		"a role":         {Request{Role: "root", Name: "x"}, today, "want viewer, operator or admin"},
		"a name":         {Request{Role: Viewer, Name: "a/b"}, today, `name "a/b"`},
		"a domain":       {Request{Role: Server, Name: "a", DNS: []string{"a.example.com"}}, today, "this authority is for"},
		"a client's DNS": {Request{Role: Viewer, Name: "a", DNS: []string{"a.example.org"}}, today, "only servers"},
		"too late":       {Request{Role: Viewer, Name: "a"}, today.Add(AuthorityLife), "expired"},
	} {
		if _, err := a.Issue(test.req, test.at); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	late := today.Add(AuthorityLife - 24*time.Hour)
	pair, err := a.Issue(Request{Role: Server, Name: "a", DNS: []string{"a.example.org", "localhost"}}, late)
	if err != nil {
		t.Fatal(err)
	}
	if pair.Cert.NotAfter.After(a.Cert.NotAfter) {
		t.Error("a certificate outlives its authority")
	}
	if pair.Cert.NotBefore.After(late.Add(-30 * time.Minute)) {
		t.Error("a certificate doesn't allow for clocks that are behind")
	}
}

func TestFilesAreKept(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")
	a := authority(t, "prod")
	if err := a.Write(cert, key, false); err != nil {
		t.Fatal(err)
	}
	modes := map[string]os.FileMode{}
	for _, path := range []string{cert, key} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		modes[filepath.Base(path)] = info.Mode().Perm()
	}
	if diff := cmp.Diff(map[string]os.FileMode{"ca.pem": 0o644, "ca-key.pem": 0o600}, modes); diff != "" {
		t.Error(diff)
	}
	if err := authority(t, "prod").Write(cert, key, false); !errors.Is(err, ErrExists) {
		t.Errorf("a second authority in its place: %v", err)
	}
	again, err := LoadAuthority(cert, key)
	if err != nil || !again.Cert.Equal(a.Cert) {
		t.Errorf("read back: %v", err)
	}
	if err := authority(t, "prod").Write(cert, key, true); err != nil {
		t.Error(err)
	}
	if again, err = LoadAuthority(cert, key); err != nil || again.Cert.Equal(a.Cert) {
		t.Errorf("it was not replaced: %v", err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	a, b := authority(t, "prod"), authority(t, "prod")
	req := Request{Role: Server, Name: "alpha", Life: 24 * time.Hour}
	for name, test := range map[string]struct {
		spoil func(*testing.T, *Files)
		at    time.Time
		want  string
	}{
		"expired":        {func(*testing.T, *Files) {}, today.Add(48 * time.Hour), "server alpha expired on 2026-11-24: renew it"},
		"wrong CA":       {func(t *testing.T, f *Files) { f.CA = issued(t, b, t.TempDir(), req, today).CA }, today, "wasn't signed by"},
		"key of another": {func(t *testing.T, f *Files) { f.Key = issued(t, a, t.TempDir(), req, today).Key }, today, "isn't the key of"},
		"key for all":    {func(t *testing.T, f *Files) { chmod(t, f.Key, 0o644) }, today, "can be read by everybody"},
		"swapped":        {func(_ *testing.T, f *Files) { f.Cert = f.Key }, today, "holds a private key, not a certificate"},
		"leaf as CA":     {func(_ *testing.T, f *Files) { f.CA = f.Cert }, today, "not of an authority"},
		"CA as leaf":     {func(_ *testing.T, f *Files) { f.Cert, f.Key = f.CA, filepath.Join(filepath.Dir(f.CA), "ca-key.pem") }, today, "no novaplan identity"},
		"missing":        {func(_ *testing.T, f *Files) { f.Cert += "x" }, today, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			f := issued(t, a, t.TempDir(), req, today)
			test.spoil(t, &f)
			_, err := Open(f, func() time.Time { return test.at }, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestRenewalIsSeen(t *testing.T) {
	a, dir := authority(t, "prod"), t.TempDir()
	now := today
	var told []error
	req := Request{Role: Server, Name: "alpha", Life: 24 * time.Hour}
	k, err := Open(issued(t, a, dir, req, today), func() time.Time { return now }, func(err error) { told = append(told, err) })
	if err != nil {
		t.Fatal(err)
	}
	first := k.Expires()
	if k.Expires(); len(told) != 0 {
		t.Fatalf("files that didn't change were read again: %v", told)
	}
	// Half of a renewal: the certificate is there, its key isn't yet.
	now = today.Add(time.Hour)
	f := issued(t, a, t.TempDir(), req, now)
	copyTo(t, k.files.Cert, f.Cert)
	if got := k.Expires(); got != first || len(told) != 1 || told[0] == nil {
		t.Fatalf("half a renewal: %v, told %v", got, told)
	}
	if k.Expires(); len(told) != 1 {
		t.Fatal("it was said twice")
	}
	copyTo(t, k.files.Key, f.Key)
	if got := k.Expires(); !got.After(first) || len(told) != 2 || told[1] != nil {
		t.Fatalf("the renewal: %v, told %v", got, told)
	}
	if err := k.Reload(); err != nil || k.Identity() != (Identity{"prod", Server, "alpha"}) {
		t.Errorf("%v, %v", err, k.Identity())
	}
}

func copyTo(t *testing.T, to, from string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
