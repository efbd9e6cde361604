package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/client"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/seal"
	"github.com/novaplan/novaplan/spec"
)

// Variables of the environment that say where the server is and who we are. A token is never a flag: everybody on the
// machine sees those.
const (
	envAddr       = "NOVAPLAN_ADDR"        // https://HOST:PORT or the path of a socket; several after commas
	envToken      = "NOVAPLAN_TOKEN"       //
	envCACert     = "NOVAPLAN_CACERT"      // file that the server's certificate is signed by
	envClientCert = "NOVAPLAN_CLIENT_CERT" // files of our own certificate and its key
	envClientKey  = "NOVAPLAN_CLIENT_KEY"
)

// server returns how to reach the server that -addr or NOVAPLAN_ADDR names; nil when none does: the record is beside the
// spec then.
func (c *console) server() *client.Remote {
	addresses := c.Addr
	if addresses == "" {
		addresses = c.env(envAddr)
	}
	var list []string
	for a := range strings.SplitSeq(addresses, ",") {
		if a = strings.TrimSpace(a); a != "" {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return &client.Remote{
		Addresses: list, Token: c.env(envToken), CACert: c.env(envCACert),
		ClientCert: c.env(envClientCert), ClientKey: c.env(envClientKey),
	}
}

// connectWait bounds how long a server may take to say who it is.
const connectWait = 20 * time.Second

// connect opens a session with a server.
func connect(ctx context.Context, server *client.Remote) (*session, error) {
	c, err := server.Open()
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	id, err := c.Identity(wait)
	if err != nil {
		c.Close()
		return nil, explainServer(err, server)
	}
	return &session{Client: c, identity: id, remote: true}, nil
}

// explainServer says what to do about a server that doesn't answer.
func explainServer(err error, server *client.Remote) error {
	var e *wire.Error
	if errors.As(err, &e) {
		return err
	}
	return &wire.Error{
		Code: api.CodeFailed, Message: "no server answers at " + strings.Join(server.Addresses, ", "),
		Detail: []string{err.Error(), fmt.Sprintf("Check -addr or %s, and %s when its certificate is signed by a CA of your own.", envAddr, envCACert)},
	}
}

// visit opens a session with the server of this place, and makes sure that it is about the same kind of hosts.
func (p place) visit(ctx context.Context) (*session, error) {
	s, err := connect(ctx, p.server)
	if err != nil {
		return nil, err
	}
	if p.dir != "" && s.identity.Mode != string(p.mode()) && p.fleet != "" {
		_ = s.close()
		return nil, &wire.Error{
			Code:    api.CodeInvalid,
			Message: fmt.Sprintf("the server is for %s hosts, this spec is for %s ones", s.identity.Mode, p.mode()),
			Detail:  []string{"-simulate works on simulated hosts here, without the server."},
		}
	}
	return s, nil
}

// sealThere lets the server seal the secrets of s: its key never leaves the cluster, and what is sealed is all that
// anybody keeps, saved plans included. The connection is encrypted, or stays on this machine.
func (s *session) sealThere(ctx context.Context, wanted *spec.Spec) error {
	texts := seal.Texts(wanted)
	if len(texts) == 0 {
		return nil
	}
	sealed, err := s.Seal(ctx, texts)
	if err != nil {
		return fmt.Errorf("seal the spec's secrets: %w", err)
	}
	known := make(map[string]spec.Secret, len(texts))
	for i, text := range texts {
		known[text] = spec.Secret{HMAC: sealed[i].HMAC, Sealed: sealed[i].Sealed}
	}
	seal.With(wanted, func(text string) spec.Secret { return known[text] })
	return nil
}

// placeWithout finds the record of a folder whose spec isn't needed: the real one, else that of a simulation.
func (c *console) placeWithout(dir string, simulate bool, command string) place {
	p := place{dir: dir, simulate: simulate, command: command}
	if !simulate {
		p.server = c.server()
		simulation := p
		simulation.simulate = true
		if !cluster.Exists(p.record()) && cluster.Exists(simulation.record()) {
			p.simulate = true
		}
	}
	return p
}

// visitRecord reaches the record of a folder, or a server's, only to read.
func (c *console) visitRecord(ctx context.Context, dir string, simulate bool, command string) (*session, error) {
	p := c.placeWithout(dir, simulate, command)
	if p.server == nil && !cluster.Exists(p.record()) {
		return nil, &wire.Error{
			Code: api.CodeNotFound, Message: "nothing was ever applied from " + dir,
			Detail: []string{"Name the folder of a spec, or a server with -addr."},
		}
	}
	return reach(ctx, p)
}
