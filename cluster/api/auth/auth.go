package auth

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
)

// ForwardedHeader carries the caller that a member vouches for, when it passes a request on. It is believed
// from members only.
const ForwardedHeader = "X-Novaplan-Caller"

// ErrLogin says that a token is none of ours, or was revoked, or has expired. It doesn't say which: that is for
// who may read the history.
var ErrLogin = errors.New("this token doesn't let anybody in")

// ErrTooMany says that somebody tried too often.
var ErrTooMany = errors.New("too many failed logins from here")

// RoleServer is the role in the certificates of members.
const RoleServer = "server"

// Authenticator tells callers apart. Only Tokens is required. It is safe for concurrent use.
type Authenticator struct {
	// Tokens returns the record, whose tokens count.
	Tokens func() state.State
	// Certificate returns name and role of a connection's verified client certificate, false when it has none.
	Certificate func(tls.ConnectionState) (name, role string, ok bool)
	Now         func() time.Time // nil: time.Now

	once     sync.Once
	attempts *Buckets
	reports  *Buckets
	mu       sync.Mutex
	silent   map[string]int // failures since the last report, by address
	failed   func(from, why string, times int)
}

// OnFailed says who is told of failed logins: at most once a minute for each address, with how many there were since.
func (a *Authenticator) OnFailed(tell func(from, why string, times int)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = tell
}

// Failed logins: so many at once from one address, and one more each while.
const (
	loginBurst = 10
	loginEvery = 3 * time.Second
	reportAt   = time.Minute
	maxSilent  = 10_000
)

func (a *Authenticator) begin() {
	a.once.Do(func() {
		a.attempts = &Buckets{Burst: loginBurst, Every: loginEvery, Now: a.Now}
		a.reports = &Buckets{Burst: 1, Every: reportAt, Now: a.Now}
		a.silent = map[string]int{}
	})
}

// Authenticate finds out who sent r: by token, else by certificate, else by the connection. Without any of these
// the caller is Nobody. Errors: ErrLogin, ErrTooMany.
func (a *Authenticator) Authenticate(r *http.Request) (Caller, error) {
	a.begin()
	p, _ := r.Context().Value(peerKey{}).(peer)
	caller := p.caller
	if caller.Kind == "" {
		caller = Caller{Kind: Nobody, From: r.RemoteAddr}
	}
	if header := r.Header.Get("Authorization"); header != "" {
		return a.byToken(header, caller.From)
	}
	if c, ok := a.byCertificate(r, p); ok {
		return a.vouched(r, c)
	}
	return a.vouched(r, caller)
}

func (a *Authenticator) byToken(header, from string) (Caller, error) {
	source := hostOf(from)
	if wait, empty := a.attempts.Empty(source); empty {
		return Caller{}, fmt.Errorf("%w: try again in %s", ErrTooMany, wait.Round(time.Second))
	}
	token, why := a.token(header)
	if why != "" {
		_, _ = a.attempts.Take(source)
		a.report(source, why)
		return Caller{}, ErrLogin
	}
	return Caller{Kind: ByToken, Name: token.Name, ID: token.ID, Role: token.Role, From: from}, nil
}

// token returns the token that a header has the secret of, or why it has none.
func (a *Authenticator) token(header string) (*state.Token, string) {
	scheme, text, _ := strings.Cut(header, " ")
	id, secret, ok := parse(strings.TrimSpace(text))
	if !strings.EqualFold(scheme, "Bearer") || !ok {
		return nil, "what was sent is no token"
	}
	st := a.Tokens()
	token, known := st.Tokens.Get(id)
	if !known {
		matches(&state.Token{Hash: make([]byte, 32)}, secret) // as long as if it were
		return nil, "there is no token " + prefix + id
	}
	now := time.Now
	if a.Now != nil {
		now = a.Now
	}
	switch {
	case !matches(token, secret):
		return nil, "wrong secret for token " + prefix + id
	case !token.Live(st.Time, now()):
		return nil, "token " + prefix + id + " has expired or was revoked"
	}
	return token, ""
}

func (a *Authenticator) byCertificate(r *http.Request, p peer) (Caller, bool) {
	if a.Certificate == nil {
		return Caller{}, false
	}
	var connection tls.ConnectionState
	switch {
	case r.TLS != nil:
		connection = *r.TLS
	case p.tls != nil:
		connection = p.tls()
	default:
		return Caller{}, false
	}
	name, role, ok := a.Certificate(connection)
	if !ok {
		return Caller{}, false
	}
	c := Caller{Kind: Certificate, Name: name, Role: state.Role(role), From: p.caller.From}
	if c.From == "" {
		c.From = r.RemoteAddr
	}
	if role == RoleServer {
		c.Kind, c.Role = Member, state.Admin
	}
	return c, true
}

// vouched returns the caller that a member passes a request on for.
func (a *Authenticator) vouched(r *http.Request, c Caller) (Caller, error) {
	header := r.Header.Get(ForwardedHeader)
	if c.Kind != Member || header == "" {
		return c, nil
	}
	var original Caller
	data, err := base64.StdEncoding.DecodeString(header)
	if err == nil {
		err = json.Unmarshal(data, &original)
	}
	if err != nil {
		return Caller{}, fmt.Errorf("%w: member %s vouches for somebody unreadable", ErrLogin, c.Name)
	}
	return original, nil
}

// Vouch sets the header by which another member believes who the caller is.
func Vouch(h http.Header, c Caller) {
	data, _ := json.Marshal(c) // strings can be encoded
	h.Set(ForwardedHeader, base64.StdEncoding.EncodeToString(data))
}

// report tells of failures, not of each one.
func (a *Authenticator) report(source, why string) {
	a.mu.Lock()
	if len(a.silent) >= maxSilent {
		clear(a.silent)
	}
	a.silent[source]++
	times := a.silent[source]
	_, due := a.reports.Take(source)
	if due {
		delete(a.silent, source)
	}
	tell := a.failed
	a.mu.Unlock()
	if due && tell != nil {
		tell(source, why, times)
	}
}

// hostOf takes the port off an address: who tries often uses many.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
