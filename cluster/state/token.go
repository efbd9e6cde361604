package state

import (
	"crypto/sha256"
	"time"
)

// Role is what somebody may do. Each one may do what the ones before may.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // reads everything, plans included
	Operator Role = "operator" // changes the fleet: apply, approve, cancel, consoles
	Admin    Role = "admin"    // tokens, settings, members, snapshots, takeover
)

// Includes reports whether r may do what least may. An unknown role may nothing.
func (r Role) Includes(least Role) bool {
	return r.rank() > 0 && r.rank() >= least.rank() && least.rank() > 0
}

func (r Role) rank() int {
	switch r {
	case Viewer:
		return 1
	case Operator:
		return 2
	case Admin:
		return 3
	}
	return 0
}

// What the record keeps of tokens.
const (
	maxTokens    = 10_000
	keepDead     = 30 * 24 * time.Hour // revoked and expired tokens, so that the history can be read
	maxTokenName = 128                 // bytes
)

// Token lets a program or a person in. The record has a hash of its secret: who reads the record can't use it.
type Token struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Role      Role      `json:"role"`
	Hash      []byte    `json:"hash"` // SHA-256 of the secret, which is random and long
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires,omitzero"` // zero: never
	Revoked   time.Time `json:"revoked,omitzero"`
	By        string    `json:"by,omitempty"`         // who made it
	RevokedBy string    `json:"revoked_by,omitempty"` // who revoked it
}

// Live reports whether the token lets anybody in, at replicated time or at now, a clock of one's own, whichever
// is later.
func (t *Token) Live(replicated, now time.Time) bool {
	if now.Before(replicated) {
		now = replicated
	}
	return t.Revoked.IsZero() && (t.Expires.IsZero() || now.Before(t.Expires))
}

// CreateToken adds a token. As Bootstrap it makes the first one, an admin's, and is refused ever after.
type CreateToken struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Role      Role      `json:"role"`
	Hash      []byte    `json:"hash"`
	Expires   time.Time `json:"expires,omitzero"`
	Bootstrap bool      `json:"bootstrap,omitempty"`
	By        string    `json:"by,omitempty"`
	Request   string    `json:"request,omitempty"`
	From      string    `json:"from,omitempty"`
}

// RevokeToken ends a token at once.
type RevokeToken struct {
	ID      string `json:"id"`
	By      string `json:"by,omitempty"`
	Request string `json:"request,omitempty"`
	From    string `json:"from,omitempty"`
}

func (t *transition) createToken(c *CreateToken) *Refusal {
	if refused := t.checkToken(c); refused != nil {
		return refused
	}
	t.forgetTokens()
	if t.Tokens.Len() >= maxTokens {
		return refuse(LimitReached, "there are %d tokens, revoke some", t.Tokens.Len())
	}
	token := &Token{ID: c.ID, Name: c.Name, Role: c.Role, Hash: c.Hash, Created: t.Time, By: c.By}
	if !c.Expires.IsZero() {
		token.Expires = c.Expires.UTC().Round(0)
	}
	t.Tokens = t.Tokens.With(c.ID, token)
	t.TokensBegun = true
	message := "token " + c.ID + " for " + string(c.Role) + " " + c.Name + " created"
	if c.Bootstrap {
		message = "the first token, " + c.ID + ", created"
	}
	t.event(Event{Kind: "token", By: c.By, Request: c.Request, From: c.From, Message: message})
	return nil
}

func (t *transition) checkToken(c *CreateToken) *Refusal {
	if refused := t.served(); refused != nil {
		return refused
	}
	_, taken := t.Tokens.Get(c.ID)
	switch {
	case c.Bootstrap && t.TokensBegun:
		return refuse(WrongPhase, "the first token was made before; whoever has an admin's token makes the next one")
	case c.Bootstrap && c.Role != Admin:
		return refuse(Invalid, "the first token is an admin's, not for %q", c.Role)
	case c.ID == "" || c.Role.rank() == 0 || len(c.Hash) != sha256.Size || len(c.Name) > maxTokenName:
		return refuse(Invalid, "token %q: role %q, a hash of %d bytes, a name of %d bytes", c.ID, c.Role, len(c.Hash), len(c.Name))
	case taken:
		return refuse(Invalid, "there is a token %s", c.ID)
	case !c.Expires.IsZero() && !c.Expires.After(t.Time):
		return refuse(Invalid, "token %s would have expired already", c.ID)
	}
	return nil
}

func (t *transition) revokeToken(c *RevokeToken) *Refusal {
	if refused := t.served(); refused != nil {
		return refused
	}
	old, ok := t.Tokens.Get(c.ID)
	if !ok {
		return refuse(Unknown, "there is no token %s", c.ID)
	}
	if !old.Revoked.IsZero() {
		return nil
	}
	token := *old
	token.Revoked, token.RevokedBy = t.Time, c.By
	t.Tokens = t.Tokens.With(c.ID, &token)
	t.event(Event{Kind: "token", By: c.By, Request: c.Request, From: c.From, Message: "token " + c.ID + " of " + old.Name + " revoked"})
	return nil
}

// forgetTokens drops those that have let nobody in for long.
func (t *transition) forgetTokens() {
	before := t.Time.Add(-keepDead)
	var dead []string
	for id, token := range t.Tokens.All() {
		ended := token.Revoked
		if ended.IsZero() {
			ended = token.Expires
		}
		if !ended.IsZero() && ended.Before(before) {
			dead = append(dead, id)
		}
	}
	for _, id := range dead {
		t.Tokens = t.Tokens.Without(id)
	}
}
