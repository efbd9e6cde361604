package libvirt

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// lifecycle sends the event that a domain's state has changed.
func (c *fakeClient) lifecycle(callback uint32, id string) {
	parsed := uuid.MustParse(id)
	payload := append(xdrInts(callback), xdrString("some-domain")...)
	payload = append(payload, parsed[:]...)
	payload = append(payload, xdrInts(1, 2, 0)...)
	c.send(procLifecycle, typeMessage, 0, statusOK, payload)
}

func (f *fakeLibvirtd) lastClient() *fakeClient {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clients[len(f.clients)-1]
}

// drain returns the events that are there.
func drain(events <-chan hypervisor.Event) []hypervisor.Event {
	var got []hypervisor.Event
	for {
		synctest.Wait()
		select {
		case event := <-events:
			got = append(got, event)
		default:
			return got
		}
	}
}

func count(events []hypervisor.Event, kind hypervisor.EventKind) int {
	n := 0
	for _, event := range events {
		if event.Kind == kind {
			n++
		}
	}
	return n
}

func TestEventsArriveMergedAndResyncAfterReconnect(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		if err := heartbeat(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		events, err := h.Events(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		drain(events)
		for range 100 { // nobody takes them meanwhile
			f.lastClient().lifecycle(1, testID)
		}
		got := drain(events)
		if n := count(got, hypervisor.EventDomain); n < 1 || n > 2 {
			t.Errorf("100 events of one domain arrive as %d", n)
		}
		if got[0].UUID != testID {
			t.Errorf("event of %q", got[0].UUID)
		}
		f.hangUp()
		time.Sleep(time.Second) // virtual: the redial
		if got := drain(events); count(got, hypervisor.EventResync) < 1 || count(got, hypervisor.EventLost) != 1 {
			t.Errorf("after a reconnect: %v", got)
		}
		f.lastClient().lifecycle(1, testID)
		if got := drain(events); count(got, hypervisor.EventDomain) != 1 {
			t.Errorf("from the new connection: %v", got)
		}
	})
}

func TestEventsBeforeTheHostIsReachable(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		f.set(func() { f.refuse = errRefusedByTest })
		f.hangUp()
		events, err := h.Events(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.set(func() { f.refuse = nil })
		time.Sleep(16 * time.Second)
		if got := drain(events); count(got, hypervisor.EventResync) < 1 {
			t.Errorf("after the first connection: %v", got)
		}
		f.lastClient().lifecycle(1, testID)
		if got := drain(events); count(got, hypervisor.EventDomain) != 1 {
			t.Errorf("got %v", got)
		}
	})
}

func TestEventsEndWithTheirContext(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		ctx, cancel := context.WithCancel(t.Context())
		first, err := h.Events(ctx)
		if err != nil {
			t.Fatal(err)
		}
		second, err := h.Events(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		for range first { // closed
		}
		synctest.Wait()
		h.events.publish(hypervisor.Event{Kind: hypervisor.EventDomain, UUID: testID})
		if got := drain(second); count(got, hypervisor.EventDomain) != 1 {
			t.Errorf("the other subscriber got %v", got)
		}
		h.events.mu.Lock()
		defer h.events.mu.Unlock()
		if n := len(h.events.subscribers); n != 1 {
			t.Errorf("%d subscribers are left", n)
		}
	})
}
