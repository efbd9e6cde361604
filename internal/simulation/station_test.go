package simulation

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/spec"
)

// protocolAPI is what clients speak with members, and members with the leader, on the simulated network.
const protocolAPI = "novaplan-api/1"

// serve answers the API at the member's port until the port is closed.
func (m *member) serve() {
	node, port := m.node, m.port
	to := &http.Transport{DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		return port.Dial(ctx, address, protocolAPI)
	}}
	handler := api.New(api.Ports{
		Planner: station{m, node}, Executor: station{m, node}, Record: node, Shared: true, Forward: to, Verify: node.Verify,
		Leader: func() (string, bool) {
			id, address := node.Leader()
			return address, id == m.id
		},
	})
	server := &http.Server{Handler: handler, ConnContext: auth.InProcess}
	listener := port.Listen(protocolAPI)
	go func() {
		_ = server.Serve(listener) // ends with the port
		to.CloseIdleConnections()
		_ = server.Close()
	}()
}

// station leads the API to the member's controller of the moment.
type station struct {
	*member
	node interface{ State() state.State }
}

func (s station) now() (*reconcile.Controller, error) {
	if c, _ := s.controller(); c != nil {
		return c, nil
	}
	return nil, &wire.Error{Code: api.CodeNoLeader, Message: "this member doesn't lead"}
}

func (s station) State() state.State { return s.node.State() }

func (s station) Observe(ctx context.Context, desired *spec.Spec) (*planner.Observed, error) {
	c, err := s.now()
	if err != nil {
		return nil, err
	}
	return c.Observe(ctx, desired)
}

func (s station) Plan(ctx context.Context, desired *spec.Spec, opts planner.Options) (*planner.Plan, *planner.Observed, error) {
	c, err := s.now()
	if err != nil {
		return nil, nil, err
	}
	return c.Plan(ctx, desired, opts)
}

func (s station) Explain(ctx context.Context, desired *spec.Spec, address spec.Address) (*planner.Explanation, error) {
	c, err := s.now()
	if err != nil {
		return nil, err
	}
	return c.Explain(ctx, desired, address)
}

func (s station) Approve(ctx context.Context, a planner.Approval) (planner.Approved, error) {
	c, err := s.now()
	if err != nil {
		return planner.Approved{}, err
	}
	select { // a mutex, as the controller has, would let the bubble's time stand still
	case s.approving <- struct{}{}:
	case <-ctx.Done():
		return planner.Approved{}, ctx.Err()
	}
	defer func() { <-s.approving }()
	return c.Approve(ctx, a)
}

func (s station) Settle(ctx context.Context, ids []string) error {
	c, err := s.now()
	if err != nil {
		return err
	}
	return c.Settle(ctx, ids)
}

func (s station) Follow(ctx context.Context) <-chan planner.Progress {
	if c, _ := s.controller(); c != nil {
		return c.Follow(ctx)
	}
	none := make(chan planner.Progress)
	close(none)
	return none
}

func (station) Halt()  {}
func (station) Abort() {}

// patience is how long a client waits for an answer.
const patience = 8 * time.Second
