package auth

import (
	"context"

	"github.com/novaplan/novaplan/cluster/state"
)

// Kind is how a caller proved who they are.
type Kind string

// The kinds of callers.
const (
	Local       Kind = "local"       // the command that this controller lives in
	Unix        Kind = "unix"        // a process of this machine
	ByToken     Kind = "token"       // somebody who knows a token's secret
	Certificate Kind = "certificate" // a client certificate
	Member      Kind = "member"      // another member of the cluster, for itself
	Nobody      Kind = "nobody"      // nothing was proved
)

// Caller is who asks.
type Caller struct {
	Kind Kind       `json:"kind"`
	Name string     `json:"name"` // "alice", a token's name, a user
	ID   string     `json:"id,omitempty"`
	Role state.Role `json:"role,omitempty"`
	From string     `json:"from,omitempty"` // address or socket
}

// String is how the history names the caller: "token ci (np_3f9a1c2b7d10)", "certificate alice", "unix root".
func (c Caller) String() string {
	switch {
	case c.Kind == ByToken:
		return string(c.Kind) + " " + c.Name + " (" + prefix + c.ID + ")"
	case c.Name == "":
		return string(c.Kind)
	}
	return string(c.Kind) + " " + c.Name
}

// Key names the caller for limits: one bucket each.
func (c Caller) Key() string {
	if c.Kind == Nobody {
		return string(c.Kind) + " " + c.From
	}
	return string(c.Kind) + " " + c.Name + " " + c.ID
}

type callerKey struct{}

// With returns a context that knows who asks.
func With(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// Of returns who asks; nobody when the context doesn't know.
func Of(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(Caller); ok {
		return c
	}
	return Caller{Kind: Nobody}
}
