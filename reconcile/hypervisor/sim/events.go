package sim

import (
	"context"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// eventBuffer is how many events wait for a slow reader before they collapse into a resync.
const eventBuffer = 64

// subscriber is one caller's channel of events.
type subscriber struct {
	ch chan hypervisor.Event
}

// Events subscribes to the host until ctx or the connection ends.
func (c *conn) Events(ctx context.Context) (<-chan hypervisor.Event, error) {
	s, err := call(ctx, c, "Events", func(*turn) (*subscriber, error) {
		s := &subscriber{ch: make(chan hypervisor.Event, eventBuffer)}
		if c.host.subscribers == nil {
			c.host.subscribers = map[*subscriber]struct{}{}
		}
		c.host.subscribers[s] = struct{}{}
		return s, nil
	})
	if err != nil {
		return nil, err
	}
	end := func() {
		c.world.mu.Lock()
		defer c.world.mu.Unlock()
		c.host.unsubscribe(s)
	}
	stop := context.AfterFunc(ctx, end)
	c.onClose(func() {
		stop()
		end()
	})
	return s.ch, nil
}

// unsubscribe closes the channel, once.
func (h *host) unsubscribe(s *subscriber) {
	if _, ok := h.subscribers[s]; ok {
		delete(h.subscribers, s)
		close(s.ch)
	}
}

// emit tells the subscribers once the turn is safe. A host that controllers can't reach tells them
// nothing; it sends a resync when it is back.
func (h *host) emit(t *turn, e hypervisor.Event) {
	if len(h.subscribers) == 0 || h.Condition != Up || t.w.fault(h.name, EventDelivery).Kind == Drop {
		return
	}
	h.tell(t, e)
}

// tell is emit whatever the host is like.
func (h *host) tell(t *turn, e hypervisor.Event) {
	t.then(func() {
		t.w.mu.Lock()
		defer t.w.mu.Unlock()
		for s := range h.subscribers {
			s.send(e)
		}
	})
}

// send never blocks: a reader that is too slow gets a resync in place of what it missed. The world's
// lock makes it the only sender.
func (s *subscriber) send(e hypervisor.Event) {
	if len(s.ch) < cap(s.ch)-1 {
		s.ch <- e
		return
	}
	select {
	case s.ch <- hypervisor.Event{Kind: hypervisor.EventResync}:
	default: // a resync is the last in the queue already
	}
}
