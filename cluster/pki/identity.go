package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Role is what the bearer of a certificate may do. Server is for members; the others call the API.
type Role string

// The roles, from the least to the most.
const (
	Viewer   Role = "viewer"   // looks, and plans without applying
	Operator Role = "operator" // applies
	Admin    Role = "admin"    // also keeps tokens, members and settings
	Server   Role = "server"   // a member: raft, and requests passed on for others
)

// ErrNoIdentity says that a certificate names nobody of a fleet, or that there was none.
var ErrNoIdentity = errors.New("no novaplan identity in the certificate")

// ClientRoles lists the roles that a client's certificate can have.
func ClientRoles() []Role { return []Role{Viewer, Operator, Admin} }

// Identity is who a certificate is for. The zero Identity is nobody.
type Identity struct {
	Fleet string // as FleetLabel writes it
	Role  Role
	Name  string
}

// String is "server alpha of fleet default".
func (id Identity) String() string {
	if id == (Identity{}) {
		return "nobody"
	}
	return fmt.Sprintf("%s %s of fleet %s", id.Role, id.Name, id.Fleet)
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._@-]{0,62}[A-Za-z0-9])?$`)

// check says what is wrong with an identity that somebody asks a certificate for.
func (id Identity) check() error {
	if id.Fleet == "" || id.Fleet != FleetLabel(id.Fleet) {
		return fmt.Errorf("fleet %q: want letters, digits and dashes", id.Fleet)
	}
	if id.Role != Server && !slices.Contains(ClientRoles(), id.Role) {
		return fmt.Errorf("role %q: want viewer, operator or admin", id.Role)
	}
	if !nameForm.MatchString(id.Name) {
		return fmt.Errorf("name %q: want up to 64 letters, digits, dots, dashes, underscores and @, with a letter or digit at both ends", id.Name)
	}
	return nil
}

// scheme of the URI that carries an identity.
const scheme = "novaplan"

func (id Identity) uri() *url.URL {
	return &url.URL{Scheme: scheme, Host: id.Fleet, Path: "/" + string(id.Role) + "/" + id.Name}
}

// FleetLabel writes the name of a fleet as certificates do: lower case, with dashes for whatever is
// neither letter nor digit. It is "" for a name without either.
func FleetLabel(fleet string) string {
	label := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, fleet)
	return strings.Trim(label[:min(len(label), 63)], "-")
}

// IdentityOf returns who is at the other end of a connection: ErrNoIdentity when there was no certificate, or
// one that wasn't verified.
func IdentityOf(cs tls.ConnectionState) (Identity, error) {
	if len(cs.VerifiedChains) == 0 || len(cs.PeerCertificates) == 0 {
		return Identity{}, ErrNoIdentity
	}
	return FromCertificate(cs.PeerCertificates[0])
}

// FromCertificate returns who a certificate is for. It doesn't verify it.
func FromCertificate(cert *x509.Certificate) (Identity, error) {
	var found Identity
	for _, u := range cert.URIs {
		if u.Scheme != scheme {
			continue
		}
		role, name, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		id := Identity{Fleet: u.Host, Role: Role(role), Name: name}
		if !ok || id.check() != nil || found != (Identity{}) {
			return Identity{}, fmt.Errorf("%s: %w", u, ErrNoIdentity)
		}
		found = id
	}
	if found == (Identity{}) {
		return Identity{}, ErrNoIdentity
	}
	return found, nil
}
