package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/api/client"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// place says where the record of a folder is and whether it is about real hosts.
type place struct {
	dir      string // of the spec
	fleet    string // as the spec has it
	simulate bool
	command  string               // for others who ask what is running
	networks []hypervisor.Network // what simulated hosts have
	folder   func() *wire.Folder  // how the folder stands, while it is watched

	server *client.Remote // nil: the record is beside the spec

	// Of a server; "" is where a command keeps it.
	simulated, images, key string
}

// record is the folder of the record: a simulation has its own, so that it can't touch the real one.
func (p place) record() string {
	if p.simulate {
		return filepath.Join(p.dir, ".novaplan", "sim")
	}
	return filepath.Join(p.dir, ".novaplan")
}

func (p place) mode() state.Mode {
	if p.simulate {
		return state.Sim
	}
	return state.Real
}

// session is a connection to the controller of a folder: one in another process that has the record
// open, or one in this process.
type session struct {
	*client.Client
	identity wire.Identity
	local    *controller // nil when another process is asked
	remote   bool        // it is a server's
}

// close ends the session; a controller in this process ends with it.
func (s *session) close() error {
	s.Client.Close()
	if s.local == nil {
		return nil
	}
	return s.local.close()
}

// reach opens a session that only reads: whoever has the record open is asked, else the record is
// replayed. Who just took the record serves it in a moment.
func reach(ctx context.Context, p place) (*session, error) {
	if p.server != nil {
		return p.visit(ctx)
	}
	for tries := 1; ; tries++ {
		if s := dial(ctx, p); s != nil {
			return s, nil
		}
		local, err := newReader(ctx, p)
		if err == nil {
			return local.session(), nil
		}
		var locked *cluster.LockedError
		if !errors.As(err, &locked) || tries == reachTries || ctx.Err() != nil {
			return nil, explainOpen(err, p, false)
		}
	}
}

// reachTries is how often a record that is locked but not served is looked at; each try waits a while for
// the lock.
const reachTries = 4

// take opens a session that may change things: this process has the record to itself, or a server has it.
func take(ctx context.Context, p place, begin cluster.Options, opts reconcile.Options) (*session, error) {
	if p.server != nil {
		return p.visit(ctx)
	}
	if s := dial(ctx, p); s != nil {
		defer s.close()
		return nil, running(s.identity)
	}
	local, err := newWriter(ctx, p, begin, opts)
	if err != nil {
		return nil, explainOpen(err, p, true)
	}
	return local.session(), nil
}

func running(id wire.Identity) error {
	return &wire.Error{
		Code:    api.CodeBusy,
		Message: fmt.Sprintf("another command is running here: novaplan %s (pid %d)", id.Command, id.PID),
		Detail:  []string{"Wait for it to end. Meanwhile novaplan plan, status, explain and console work."},
	}
}

// dialWait bounds how long a process that has the record open may take to answer.
const dialWait = 2 * time.Second

// dial connects to the process that has the record open, if there is one.
func dial(ctx context.Context, p place) *session {
	ctx, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	socket, done := shortPath(cluster.Socket(p.record()))
	defer done()
	c := client.Unix(socket)
	id, err := c.Identity(ctx)
	if err != nil {
		c.Close()
		return nil
	}
	return &session{Client: c, identity: id}
}

// maxSocketPath is what the address of a unix socket can hold.
const maxSocketPath = 100

// shortPath returns a path of the same file that fits into a socket's address.
func shortPath(path string) (string, func()) {
	if len(path) <= maxSocketPath {
		return path, func() {}
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return path, func() {}
	}
	// The descriptor stays open as long as the process: the path is dialled again and again.
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() {}
}

// listenLocal opens the socket for who runs the server, and root. One that was left there is nobody's: its
// folder is locked.
func listenLocal(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("socket: %w", err)
	}
	short, done := shortPath(path)
	defer done()
	l, err := net.Listen("unix", short)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), l.Close())
	}
	return l, nil
}

// listen serves the handler to other processes, in the record's folder.
func listen(p place, handler http.Handler) (*http.Server, error) {
	l, err := listenLocal(cluster.Socket(p.record()))
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: handler, ConnContext: auth.ConnContext}
	go func() { _ = server.Serve(l) }()
	return server, nil
}

// sameFleet refuses a spec of another fleet: a wrong branch, or a copied folder.
func (s *session) sameFleet(fleet string) error {
	if fleet == s.identity.Fleet {
		return nil
	}
	return &wire.Error{
		Code:    api.CodeInvalid,
		Message: fmt.Sprintf("this spec is of fleet %q, the record here is of fleet %q", fleet, s.identity.Fleet),
		Detail:  []string{"Is this the right branch, the right folder? A fleet can't be renamed: its name stands on every host."},
	}
}

// placeOf finds out whether the folder's hosts are simulated. Simulated and real ones don't mix: a plan
// that can't be carried out as a whole says nothing about the fleet.
func placeOf(dir string, s *spec.Spec, simulate bool, command string) (place, error) {
	var sim, real *spec.Host
	for i := range s.Hosts {
		if h := &s.Hosts[i]; strings.HasPrefix(h.URI, "sim:") {
			sim = h
		} else {
			real = h
		}
	}
	if sim != nil && real != nil {
		return place{}, &wire.Error{
			Code:    api.CodeInvalid,
			Message: fmt.Sprintf("%s is simulated (%s), %s is real (%s): one spec has one kind of hosts", sim.Address, sim.URI, real.Address, real.URI),
			Detail:  []string{"To try a spec for real hosts on simulated ones, use -simulate instead of sim:// URIs."},
		}
	}
	p := place{dir: dir, fleet: s.Fleet, simulate: simulate || sim != nil, command: command}
	if sim == nil && real == nil && !cluster.Exists(p.record()) { // every host is gone: the record says which they were
		simulation := p
		simulation.simulate = true
		if cluster.Exists(simulation.record()) {
			p = simulation
		}
	}
	return p, nil
}

// rewire gives every host a simulated URI, and the hosts whatever the spec plugs NICs into.
func (p *place) rewire(s *spec.Spec) {
	known := map[hypervisor.Network]bool{}
	add := func(kind hypervisor.NetworkKind, name string) {
		n := hypervisor.Network{Kind: kind, Name: name, Active: true}
		if name != "" && !known[n] {
			known[n] = true
			p.networks = append(p.networks, n)
		}
	}
	for i := range s.Networks {
		add(hypervisor.NetworkBridge, s.Networks[i].Bridge)
		add(hypervisor.NetworkLibvirt, s.Networks[i].LibvirtNetwork)
	}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		h.URI, h.PeerURI = "sim://"+h.Name, ""
		for _, bridge := range h.BridgeMappings {
			add(hypervisor.NetworkBridge, bridge)
		}
	}
	slices.SortFunc(p.networks, func(a, b hypervisor.Network) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
}
