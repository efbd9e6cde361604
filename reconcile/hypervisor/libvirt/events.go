package libvirt

import (
	"context"
	"sync"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// The libvirt events that say a domain's power, definition or job has changed.
var watchedEvents = []golibvirt.DomainEventID{
	golibvirt.DomainEventIDLifecycle,
	golibvirt.DomainEventIDIoErrorReason,
	golibvirt.DomainEventIDJobCompleted,
	golibvirt.DomainEventIDMetadataChange,
}

// Events implements hypervisor.Facts. Hints about the same domain that the receiver hasn't taken yet are
// merged, so a slow receiver costs no memory and loses nothing.
func (h *host) Events(ctx context.Context) (<-chan hypervisor.Event, error) {
	events, first := h.events.subscribe(ctx)
	if !first {
		return events, nil
	}
	h.supervisor.mu.Lock()
	live := h.supervisor.live
	h.supervisor.mu.Unlock()
	if live != nil {
		go h.listen(live) // a session that comes later listens by itself
	}
	return events, nil
}

// onSession is called for each session the supervisor opens.
func (h *host) onSession(s *session, again bool) {
	if h.events.wanted() {
		go h.listen(s)
	}
	if again {
		h.events.publish(hypervisor.Event{Kind: hypervisor.EventResync})
	}
}

// listen registers for the events of a session and passes them on until the session ends. A registration
// that fails ends with its session, and the next one tries again.
func (h *host) listen(s *session) {
	if !s.listening.CompareAndSwap(false, true) {
		return
	}
	for _, id := range watchedEvents {
		// The library takes its domain argument and ignores it: these are the events of all domains.
		events, err := s.rpc.SubscribeEvents(context.Background(), id, nil)
		if err != nil {
			h.opts.Logger.Debug("events not available", "event", int(id), "error", err)
			continue
		}
		go func() {
			for event := range events { // drained until closed, or the library leaks its end
				if dom, ok := eventDomain(event); ok {
					h.events.publish(hypervisor.Event{Kind: hypervisor.EventDomain, UUID: uuidText(dom.UUID)})
				}
			}
		}()
	}
	// What happened before the registration was through is only known by looking.
	h.events.publish(hypervisor.Event{Kind: hypervisor.EventResync})
	<-s.gone()
	h.events.publish(hypervisor.Event{Kind: hypervisor.EventLost})
}

func eventDomain(event any) (golibvirt.Domain, bool) {
	switch e := event.(type) {
	case *golibvirt.DomainEventCallbackLifecycleMsg:
		return e.Msg.Dom, true
	case *golibvirt.DomainEventCallbackIOErrorReasonMsg:
		return e.Msg.Dom, true
	case *golibvirt.DomainEventCallbackJobCompletedMsg:
		return e.Dom, true
	case *golibvirt.DomainEventCallbackMetadataChangeMsg:
		return e.Dom, true
	}
	return golibvirt.Domain{}, false
}

// hub hands events to any number of subscribers.
type hub struct {
	mu          sync.Mutex
	subscribers map[*subscriber]struct{}
	everWanted  bool
	closed      chan struct{}
	closeOnce   sync.Once
}

func newHub() *hub {
	return &hub{subscribers: map[*subscriber]struct{}{}, closed: make(chan struct{})}
}

// subscribe returns a channel that is closed after ctx or the hub ends, and whether it is the first one.
func (b *hub) subscribe(ctx context.Context) (<-chan hypervisor.Event, bool) {
	s := &subscriber{wake: make(chan struct{}, 1), out: make(chan hypervisor.Event)}
	b.mu.Lock()
	defer b.mu.Unlock()
	first := !b.everWanted
	b.everWanted = true
	b.subscribers[s] = struct{}{}
	go func() {
		s.deliver(ctx, b.closed)
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.subscribers, s)
	}()
	return s.out, first
}

func (b *hub) wanted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.everWanted
}

func (b *hub) publish(event hypervisor.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subscribers {
		s.add(event)
	}
}

func (b *hub) close() { b.closeOnce.Do(func() { close(b.closed) }) }

// subscriber merges the events that its receiver hasn't taken yet.
type subscriber struct {
	mu      sync.Mutex
	waiting []hypervisor.Event // no duplicates, oldest first
	wake    chan struct{}
	out     chan hypervisor.Event
}

func (s *subscriber) add(event hypervisor.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, waiting := range s.waiting {
		if waiting == event {
			return
		}
	}
	s.waiting = append(s.waiting, event)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscriber) next() (hypervisor.Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return hypervisor.Event{}, false
	}
	event := s.waiting[0]
	s.waiting = s.waiting[1:]
	return event, true
}

func (s *subscriber) deliver(ctx context.Context, closed <-chan struct{}) {
	defer close(s.out)
	for {
		event, ok := s.next()
		if !ok {
			select {
			case <-s.wake:
				continue
			case <-ctx.Done():
				return
			case <-closed:
				return
			}
		}
		select {
		case s.out <- event:
		case <-ctx.Done():
			return
		case <-closed:
			return
		}
	}
}
