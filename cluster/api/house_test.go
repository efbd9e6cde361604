package api_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/api/client"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/seal"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
	"github.com/novaplan/novaplan/spec"
)

// house is a whole controller of simulated hosts with the API in front, as a server has it.
type house struct {
	t      testing.TB
	rec    *cluster.Memory
	ctl    *reconcile.Controller
	key    *seal.Key
	log    *journal
	ports  api.Ports
	server *httptest.Server
	tokens map[state.Role]string
}

// journal is a log that tests read.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write keeps a line.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, rec: cluster.NewMemory(state.Sim), key: seal.NewKey(), log: &journal{}, tokens: map[state.Role]string{}}
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	images := &disk.Images{Source: disk.Simulated{}, Cache: disk.NewCache(disk.CacheOptions{})}
	h.ctl = reconcile.New(h.rec, sim.New(sim.Options{}), reconcile.Options{Log: log, Images: reconcile.Images{Open: h.key.Open, Images: images}})
	for _, role := range []state.Role{state.Viewer, state.Operator, state.Admin} {
		id, text, hash := auth.NewToken()
		h.propose(state.Command{CreateToken: &state.CreateToken{ID: id, Name: "the " + string(role), Role: role, Hash: hash}})
		h.tokens[role] = text
	}
	h.ports = api.Ports{
		Planner: h.ctl, Executor: h.ctl, Inspector: h.ctl, Consoles: h.ctl, Record: h.rec, Sealer: sealer{h.key}, Shared: true, Log: log,
		Identity: wire.Identity{Version: "1.2.3", Mode: "sim", Command: "server"},
	}
	h.server = h.serve(h.ports)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- h.ctl.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ran
		_ = h.ctl.Close()
	})
	return h
}

type sealer struct{ *seal.Key }

func (s sealer) Seal(plain string) (spec.Secret, error) { return s.Key.Seal(plain), nil }

// serve serves over TCP on loopback.
func (h *house) serve(ports api.Ports) *httptest.Server {
	server := httptest.NewUnstartedServer(api.New(ports))
	server.Config.ConnContext = auth.ConnContext
	server.Start()
	h.t.Cleanup(server.Close)
	return server
}

func (h *house) propose(c state.Command) {
	h.t.Helper()
	r, err := h.rec.Propose(context.Background(), c)
	if err != nil || r.Refused != nil {
		h.t.Fatal(err, r.Refused)
	}
}

// as returns a client with a token of that role.
func (h *house) as(role state.Role) *client.Client { return h.at(role, h.server.URL) }

func (h *house) at(role state.Role, addresses ...string) *client.Client {
	h.t.Helper()
	c, err := client.Remote{Addresses: addresses, Token: h.tokens[role]}.Open()
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	return c
}

// fleet is a spec of two hosts and n instances, whose user data is as given.
func fleet(n int, userData string) *spec.Spec {
	s := &spec.Spec{
		Fleet: "default", Stack: "default",
		Pools:    []spec.Pool{{Address: "pool.vms", Name: "vms", Type: spec.PoolDir, Path: "/srv/vms"}},
		Flavors:  []spec.Flavor{{Address: "flavor.small", Name: "small", VCPUs: 1, RAM: 1024, Disk: 10240}},
		Images:   []spec.Image{{Address: "image.debian", Name: "debian", Location: "/debian.qcow2", Format: "qcow2", Checksum: "sha256:" + strings.Repeat("0", 64)}},
		Networks: []spec.Network{{Address: "network.lan", Name: "lan", Bridge: "br0", CIDR: "10.0.0.0/16"}},
	}
	for i := range 2 {
		name := fmt.Sprintf("kvm%d", i+1)
		s.Hosts = append(s.Hosts, spec.Host{Address: spec.NewAddress("host", name), Name: name, URI: "sim://" + name, Mode: spec.ModeActive})
	}
	for i := range n {
		in := spec.Instance{
			Address: spec.NewAddress("instance", "vm").Index(i), Name: fmt.Sprintf("vm-%d", i), Flavor: "flavor.small", Image: "image.debian",
			Pool: "pool.vms", State: spec.Running, NICs: []spec.NIC{{Network: "network.lan"}}, Metadata: map[string]string{"n": fmt.Sprint(i)},
			ShutdownTimeout: spec.DefaultShutdownTimeout, TrashRetention: spec.DefaultTrashRetention,
		}
		if userData != "" {
			in.UserData = spec.NewSecret(userData)
		}
		s.Instances = append(s.Instances, in)
	}
	return s
}

// encoded seals a spec with the house's key.
func (h *house) encoded(s *spec.Spec) *wire.Spec {
	h.t.Helper()
	seal.Spec(h.key, s)
	out, err := api.EncodeSpec(s)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// plan plans as a viewer.
func (h *house) plan(s *wire.Spec) *wire.Plan {
	h.t.Helper()
	p, err := h.as(state.Viewer).Plan(h.t.Context(), wire.PlanRequest{Spec: s})
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// apply applies to the end.
func (h *house) apply(c *client.Client, s *wire.Spec, request string) *wire.Result {
	h.t.Helper()
	p := h.plan(s)
	var result *wire.Result
	err := c.Apply(h.t.Context(), wire.ApplyRequest{Spec: s, Base: p.Base, Digest: p.Digest, Request: request, By: "somebody else"}, func(e wire.Event) error {
		result = e.Result
		return nil
	})
	if err != nil || result == nil {
		h.t.Fatalf("apply %s: %v, %v", request, result, err)
	}
	return result
}

// until waits for the record to become so.
func (h *house) until(what string, so func(state.State) bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	for {
		changes := h.rec.Changes()
		if so(h.rec.State()) {
			return
		}
		select {
		case <-changes:
		case <-ctx.Done():
			h.t.Fatalf("it never came to this: %s", what)
		}
	}
}
