package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/client"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/spec"
)

// register is the record as clients see it: the newest revision, and what was said when it was made.
type register struct {
	revision uint64
	message  string
}

// asked is what a client asks for: to read, or to make a revision on top of another.
type asked struct {
	write   bool
	base    uint64
	message string
}

// got is what it hears. Of a write that isn't known to have been made: unknown.
type got struct {
	unknown bool
	stale   bool
	read    register
}

// model is a register with compare-and-set on the revision. A write may be refused as stale for other reasons than its
// base, such as a host that changed, and then changes nothing.
var model = porcupine.NondeterministicModel{
	Init: func() []any { return []any{register{}} },
	Step: func(at, input, output any) []any {
		now, in, out := at.(register), input.(asked), output.(got)
		made := register{in.base + 1, in.message}
		switch {
		case !in.write && out.read == now, in.write && out.stale:
			return []any{now}
		case in.write && out.unknown && now.revision == in.base:
			return []any{now, made}
		case in.write && out.unknown:
			return []any{now}
		case in.write && now.revision == in.base:
			return []any{made}
		}
		return nil
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

// history is what all clients did.
type history struct {
	mu    sync.Mutex
	all   []porcupine.Operation
	reads int
	made  int
	lost  int
}

// never is when a call returns that may still take effect.
const never = int64(1) << 62

func (h *history) add(id int, in asked, out got, call, end int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case out.unknown:
		end = never
		h.lost++
	case !in.write:
		h.reads++
	case !out.stale:
		h.made++
	}
	h.all = append(h.all, porcupine.Operation{ClientId: id, Input: in, Call: call, Output: out, Return: end})
}

// TestLinearizable lets clients read and make revisions through any member while leaders are killed, cut off and made to
// hand over: there is an order in which each saw what was there. Stale reads are not asked for.
func TestLinearizable(t *testing.T) {
	for i := range uint64(1) {
		n := seed(t) + i
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			var h history
			synctest.Test(t, func(t *testing.T) { linear(t, n, &h) })
			t.Logf("%d reads, %d revisions made, %d writes of unknown outcome", h.reads, h.made, h.lost)
			if h.reads < 20 || h.made < 10 {
				t.Error("too little happened")
			}
			if result := porcupine.CheckOperationsTimeout(model.ToModel(), h.all, time.Minute); result != porcupine.Ok {
				t.Errorf("seed %d: the history is %s to linearize", n, result)
			}
		})
	}
}

func linear(t *testing.T, seed uint64, h *history) {
	s := newSimulation(t, seed)
	s.serves = true
	for _, m := range s.members {
		m.begin()
	}
	s.awaitLeader()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	var clients sync.WaitGroup
	for id := range 4 {
		clients.Go(func() { s.useAPI(ctx, id, h) })
	}
	for ctx.Err() == nil {
		time.Sleep(s.some(2*time.Second, 9*time.Second))
		s.due()
		m := s.leader()
		if m == nil {
			continue
		}
		switch s.random.IntN(4) {
		case 0:
			_ = m.node.TransferLeadership(ctx, "")
		case 1:
			s.killMember(m)
		case 2:
			s.network.Isolate(m.address)
			s.later(s.some(time.Second, 15*time.Second), s.network.Heal)
		case 3:
			s.cutOneWay()
		}
	}
	cancel()
	clients.Wait()
	s.heal()
	for _, m := range s.members {
		m.kill()
	}
	_ = s.world.Close()
}

// useAPI is one client: it asks any member, one thing after the other.
func (s *simulation) useAPI(ctx context.Context, id int, h *history) {
	random := rand.New(rand.NewPCG(s.seed, uint64(100+id)))
	port := s.network.Port(fmt.Sprintf("10.0.1.%d:7300", id+1))
	defer port.Close()
	for n := 0; ctx.Err() == nil; n++ {
		to := s.members[random.IntN(len(s.members))].address
		c := client.New(func(ctx context.Context) (net.Conn, error) { return port.Dial(ctx, to, protocolAPI) })
		if random.IntN(2) == 0 {
			s.readOnce(ctx, c, id, h)
		} else {
			s.writeOnce(ctx, c, id, n, h)
		}
		c.Close()
		time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
	}
}

func (s *simulation) readOnce(ctx context.Context, c *client.Client, id int, h *history) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	call := int64(s.elapsed())
	all, err := c.Revisions(ctx)
	if err != nil {
		return // a read that nobody answered says nothing
	}
	var newest register
	for _, r := range all.Revisions {
		if r.Number > newest.revision {
			newest = register{r.Number, r.Message}
		}
	}
	h.add(id, asked{}, got{read: newest}, call, int64(s.elapsed()))
}

func (s *simulation) writeOnce(ctx context.Context, c *client.Client, id, n int, h *history) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	message := fmt.Sprintf("client %d, write %d", id, n)
	wanted := newWishes().spec()
	wanted.Instances, wanted.Keypairs = nil, []spec.Keypair{{Address: "keypair.k", Name: "k", PublicKey: message}}
	encoded, err := api.EncodeSpec(wanted)
	if err != nil {
		s.broken("encode: %v", err)
		return
	}
	plan, err := c.Plan(ctx, wire.PlanRequest{Spec: encoded})
	if err != nil {
		return
	}
	in, out := asked{true, plan.Base, message}, got{unknown: true}
	call := int64(s.elapsed())
	end := call
	err = c.Apply(ctx, wire.ApplyRequest{Spec: encoded, Base: plan.Base, Digest: plan.Digest, Message: message}, func(e wire.Event) error {
		switch e.Type {
		case wire.EventApproved:
			out = got{}
			end = int64(s.elapsed())
			return errHeard
		case wire.EventStale:
			out = got{stale: true}
			end = int64(s.elapsed())
			return errHeard
		}
		return nil
	})
	_ = err // what was heard before counts; nothing heard is unknown
	h.add(id, in, out, call, end)
}

// errHeard ends a stream of which enough was heard.
var errHeard = errors.New("heard")
