package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/cluster/state"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// door is an authenticator with two tokens and a clock.
type door struct {
	Authenticator
	now            time.Time
	good, short    string
	goodID         string
	st             state.State
	failures       []string
	certName, role string
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{now: noon}
	add := func(name string, role state.Role, expires time.Time) (id, text string) {
		id, text, hash := NewToken()
		d.st.Tokens = d.st.Tokens.With(id, &state.Token{ID: id, Name: name, Role: role, Hash: hash, Expires: expires})
		return id, text
	}
	d.goodID, d.good = add("ci", state.Operator, time.Time{})
	_, d.short = add("short", state.Viewer, noon.Add(time.Hour))
	d.Tokens = func() state.State { return d.st }
	d.Now = func() time.Time { return d.now }
	d.OnFailed(func(from, why string, times int) {
		d.failures = append(d.failures, fmt.Sprintf("%s %s %d", from, strings.Fields(why)[0], times))
	})
	d.Certificate = func(tls.ConnectionState) (string, string, bool) { return d.certName, d.role, d.certName != "" }
	return d
}

func request(token string) *http.Request {
	r := httptest.NewRequest("GET", "/v1/status", nil)
	r.RemoteAddr = "192.0.2.7:4711"
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func TestTokensLetIn(t *testing.T) {
	d := newDoor(t)
	got, err := d.Authenticate(request(d.good))
	want := Caller{Kind: ByToken, Name: "ci", ID: d.goodID, Role: state.Operator, From: "192.0.2.7:4711"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("%v\n%s", err, diff)
	}
	if strings.Contains(fmt.Sprint(got), d.good[len(d.good)-64:]) {
		t.Error("a caller shows the token's secret")
	}
	if _, err := d.Authenticate(request(d.short)); err != nil {
		t.Error(err)
	}
	d.now = noon.Add(time.Hour)
	if _, err := d.Authenticate(request(d.short)); !errors.Is(err, ErrLogin) {
		t.Errorf("an expired token: %v", err)
	}
}

func TestWhatIsNoTokenLetsNobodyIn(t *testing.T) {
	d := newDoor(t)
	_, stranger, _ := NewToken()
	other := d.good[:len(d.good)-1] + "x"
	for name, header := range map[string]string{
		"stranger": "Bearer " + stranger, "wrong secret": "Bearer " + other, "empty": "Bearer ", "basic": "Basic " + d.good,
		"no secret": "Bearer np_" + d.goodID, "cut": "Bearer " + d.good[:len(d.good)-1], "longer": "Bearer " + d.good + "0",
	} {
		d.now = d.now.Add(time.Hour) // long enough to try again
		r := request("")
		r.Header.Set("Authorization", header)
		c, err := d.Authenticate(r)
		if !errors.Is(err, ErrLogin) || c.Role != "" {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		if strings.Contains(fmt.Sprint(err, d.failures), d.good[16:]) {
			t.Errorf("%s: the secret is in what is said", name)
		}
	}
}

func TestGuessingIsSlow(t *testing.T) {
	d := newDoor(t)
	tries := 0
	for range 1000 {
		if _, err := d.Authenticate(request("np_guess")); errors.Is(err, ErrLogin) {
			tries++
		}
	}
	if tries != loginBurst {
		t.Errorf("%d guesses were looked at, want %d", tries, loginBurst)
	}
	if _, err := d.Authenticate(request(d.good)); !errors.Is(err, ErrTooMany) {
		t.Errorf("from where was guessed: %v", err)
	}
	elsewhere := request(d.good)
	elsewhere.RemoteAddr = "192.0.2.8:1"
	if _, err := d.Authenticate(elsewhere); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
	if diff := cmp.Diff([]string{"192.0.2.7 what 1"}, d.failures); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
	d.now = d.now.Add(reportAt)
	_, _ = d.Authenticate(request("np_guess"))
	if len(d.failures) != 2 || d.failures[1] != fmt.Sprintf("192.0.2.7 what %d", loginBurst) {
		t.Errorf("a minute later: %v", d.failures)
	}
}

func TestCertificates(t *testing.T) {
	d := newDoor(t)
	r := request("")
	r.TLS = &tls.ConnectionState{}
	d.certName, d.role = "alice", "operator"
	if c, err := d.Authenticate(r); err != nil || c.String() != "certificate alice" || c.Role != state.Operator {
		t.Errorf("%+v, %v", c, err)
	}
	Vouch(r.Header, Caller{Kind: ByToken, Name: "root", Role: state.Admin})
	if c, _ := d.Authenticate(r); c.Name != "alice" || c.Role != state.Operator {
		t.Errorf("somebody vouched for themselves: %+v", c)
	}
	d.certName, d.role = "n1", RoleServer
	if c, _ := d.Authenticate(r); c.Name != "root" || c.Role != state.Admin {
		t.Errorf("a member's word counts: %+v", c)
	}
	r.Header.Set(ForwardedHeader, "?")
	if _, err := d.Authenticate(r); !errors.Is(err, ErrLogin) {
		t.Errorf("an unreadable word: %v", err)
	}
	r.Header.Del(ForwardedHeader)
	if c, _ := d.Authenticate(r); c.Kind != Member || c.Role != state.Admin {
		t.Errorf("a member for itself: %+v", c)
	}
}

func TestNobodyMayNothing(t *testing.T) {
	d := newDoor(t)
	c, err := d.Authenticate(request(""))
	if err != nil || c.Kind != Nobody || c.Role.Includes(state.Viewer) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestTheKernelSaysWhoIsAtASocket(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialled.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	d := newDoor(t)
	r := request("").WithContext(ConnContext(context.Background(), conn))
	c, err := d.Authenticate(r)
	if err != nil || c.Kind != Unix || c.Role != state.Admin || !strings.HasSuffix(c.From, fmt.Sprint(os.Getpid())) {
		t.Errorf("%+v, %v", c, err)
	}
	for _, tc := range []struct {
		uid  int
		role state.Role
	}{{0, state.Admin}, {1000, state.Admin}, {1001, ""}} {
		if got := unixCaller(tc.uid, 1000, 1); got.Role != tc.role {
			t.Errorf("uid %d at the socket of uid 1000: %q", tc.uid, got.Role)
		}
	}
}

func TestBucketsStayFew(t *testing.T) {
	now := noon
	b := &Buckets{Burst: 1, Every: time.Minute, Most: 10, Now: func() time.Time { return now }}
	for i := range 100 {
		if _, ok := b.Take(fmt.Sprint(i)); !ok {
			t.Fatalf("bucket %d is empty at once", i)
		}
		now = now.Add(time.Second)
	}
	if len(b.full) > 10 {
		t.Errorf("%d buckets are kept", len(b.full))
	}
	if wait, ok := b.Take("99"); ok || wait != 59*time.Second {
		t.Errorf("the last one gives another: %v, %v", wait, ok)
	}
}

func FuzzAuthorization(f *testing.F) {
	_, text, _ := NewToken()
	f.Add("Bearer " + text)
	f.Add("Bearer np__")
	f.Fuzz(func(t *testing.T, header string) {
		a := &Authenticator{Tokens: func() state.State { return state.State{} }}
		r := request("")
		r.Header["Authorization"] = []string{header}
		if c, err := a.Authenticate(r); header != "" && (err == nil || c.Role != "") {
			t.Errorf("%q let %+v in", header, c)
		}
	})
}

// TestMembersVouch believes a header from a connection that the port knows to be a member's, and from no other.
func TestMembersVouch(t *testing.T) {
	d := newDoor(t)
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	r := request("")
	Vouch(r.Header, Caller{Kind: Unix, Name: "root", Role: state.Admin})
	if c, err := d.Authenticate(r.WithContext(FromMember(t.Context(), named{near, "beta"}))); err != nil || c.Kind != Unix || c.Name != "root" {
		t.Errorf("from a member: %v, %v", c, err)
	}
	if c, err := d.Authenticate(r.WithContext(ConnContext(t.Context(), near))); err != nil || c.Kind != Nobody {
		t.Errorf("from somebody: %v, %v", c, err)
	}
	if c, err := d.Authenticate(request("").WithContext(FromMember(t.Context(), named{near, "beta"}))); err != nil || c.String() != "member beta" {
		t.Errorf("a member for itself: %v, %v", c, err)
	}
}

type named struct {
	net.Conn
	name string
}

func (n named) Peer() string { return n.name }
