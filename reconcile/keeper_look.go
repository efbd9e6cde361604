package reconcile

import (
	"context"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/observe"
	"github.com/novaplan/novaplan/spec"
)

// kept is one host that is looked at.
type kept struct {
	spec    *spec.Host
	due     time.Time // of the next look
	full    time.Time // of the next full look
	looking bool
	again   bool // something happened there while it was looked at

	seen     bool // it was looked at in this term, whether it answered or not
	reached  bool
	steadyAt time.Time // when its guests may be touched again, after it came back
	flaps    int       // how often it came back lately
	lostAt   time.Time

	files state.State        // the record with which its files were last compared
	stop  context.CancelFunc // of listening to its events
}

// looked is a look at one host.
type looked struct {
	address spec.Address
	before  state.State // the record when the look began
	files   state.State // and the one with which files were compared
	part    observe.Partial
	took    time.Duration
	err     error
}

// followHosts takes in which hosts there are.
func (k *keeper) followHosts(ctx context.Context, st state.State) {
	now := time.Now()
	first := len(k.hosts) == 0
	there := map[spec.Address]bool{}
	for _, h := range k.c.toLookAt(st, nil) {
		there[h.Address] = true
		if old := k.hosts[h.Address]; old != nil {
			if reflect.DeepEqual(targetOf(old.spec), targetOf(h)) {
				old.spec = h
				continue
			}
			old.deafen() // it is opened in another way now
		}
		ctx, stop := context.WithCancel(ctx)
		k.hosts[h.Address] = &kept{spec: h, due: now, full: now, stop: stop}
		k.workers.Go(func() { k.hear(ctx, h.Address, h) })
	}
	for address, h := range k.hosts {
		if !there[address] {
			h.deafen()
			delete(k.hosts, address)
			k.ledger.forget(address)
		}
	}
	if first {
		k.c.log.Debug("keeping the fleet", "hosts", len(k.hosts), "interval", k.how.Interval.String())
	}
}

// touch makes a look at a host happen soon.
func (k *keeper) touch(address spec.Address) {
	h := k.hosts[address]
	if h == nil {
		return
	}
	if h.looking {
		h.again = true
		return
	}
	if soon := time.Now().Add(k.how.Debounce); h.due.After(soon) {
		h.due = soon
	}
}

// startLooks begins the looks that are due, as many at once as there may be, the most overdue ones first as far as
// that is cheap to know.
func (k *keeper) startLooks(ctx context.Context) {
	now := time.Now()
	for address, h := range k.hosts {
		if k.looks >= k.how.Parallel {
			return
		}
		if h.looking || h.due.After(now) {
			continue
		}
		h.looking = true
		k.looks++
		brief := h.full.After(now)
		one := k.look(h.spec, brief)
		before := k.c.rec.State()
		files := k.disks.st
		k.workers.Go(func() {
			begun := time.Now()
			seen, err := one.At(ctx, begun.UTC())
			select {
			case k.looked <- looked{address, before, files, observe.Partial{Seen: seen, Brief: brief}, time.Since(begun), err}:
			case <-ctx.Done():
			}
		})
	}
}

// look is a look at one host.
func (k *keeper) look(h *spec.Host, brief bool) observe.Look {
	st := k.c.rec.State()
	l := k.c.lookAt(st, nil)
	l.Hosts, l.Brief = []*spec.Host{h}, brief
	l.Disks, _ = k.disks.of(st)
	due := map[string]bool{} // which shared pools this look lists: each is listed once in an interval
	for _, p := range l.Pools {
		if p.Shared && !brief && time.Since(k.files[p.Path]) >= k.how.Interval {
			due[p.Path] = true
			k.files[p.Path] = time.Now()
		}
	}
	l.Share = func(path string) bool { return due[path] }
	return l
}

// took takes in what a look saw.
func (k *keeper) took(l looked) {
	k.looks--
	h := k.hosts[l.address]
	if h == nil || l.err != nil {
		return
	}
	now := time.Now()
	first := !h.seen
	h.looking, h.seen = false, true
	h.due = now.Add(jitter(k.how.Interval))
	if first { // from now on spread over the interval
		h.due = now.Add(k.how.Interval/2 + rand.N(k.how.Interval/2+1))
	}
	if !l.part.Brief {
		h.full, h.files = h.due, l.files
		for _, path := range l.part.Seen.Listed {
			k.shared[path] = l.files
		}
	} else if h.full.Before(h.due) {
		h.due = h.full
	}
	if h.again {
		h.again = false
		h.due = now.Add(k.how.Debounce)
	}
	reached := l.part.Seen.Hosts[l.address].Reachable
	k.how.Meter.Looked(l.took, reached)
	k.reach(h, reached, first)
	k.fresh = append(k.fresh, l)
	if k.flushAt.IsZero() {
		k.flushAt = now.Add(mergeAfter)
	}
	for _, path := range unlisted(k.files, l) {
		delete(k.files, path) // somebody else may
	}
}

// unlisted returns the shared pools that a look was to list and didn't.
func unlisted(asked map[string]time.Time, l looked) (paths []string) {
	if l.part.Brief {
		return nil
	}
	listed := map[string]bool{}
	for _, path := range l.part.Seen.Listed {
		listed[path] = true
	}
	for path, at := range asked {
		if !listed[path] && !at.Before(l.part.Seen.At) && at.Sub(l.part.Seen.At) < time.Second {
			paths = append(paths, path)
		}
	}
	return paths
}

// mostFlaps bounds how much longer a host that comes and goes is waited for.
const mostFlaps = 5

// reach takes in whether a host answers. One that comes back is left alone for a while, and for longer each time.
func (k *keeper) reach(h *kept, reached, first bool) {
	now := time.Now()
	switch {
	case reached && !first && !h.reached:
		if now.Sub(h.lostAt) > time.Hour {
			h.flaps = 0
		}
		h.steadyAt = now.Add(k.how.Steady << h.flaps)
		h.flaps = min(h.flaps+1, mostFlaps)
		h.full = now // a host that was away is looked at as a whole
		h.due = now.Add(k.how.Debounce)
		k.recall = true
	case !reached && (first || h.reached):
		h.lostAt = now
		k.recall = true
	}
	h.reached = reached
}

// flush merges what was seen into the controller's last look, and finds what differs.
func (k *keeper) flush() {
	if k.flushAt.IsZero() || time.Now().Before(k.flushAt) {
		return
	}
	fresh := k.fresh
	k.fresh, k.flushAt = nil, time.Time{}
	k.ready = k.ready || k.allSeen()
	parts := make([]observe.Partial, len(fresh))
	for i := range fresh {
		parts[i] = fresh[i].part
	}
	seen := k.c.merge(parts...)
	k.find(fresh, seen)
}

// merge adds looks at some hosts to the last look.
func (c *Controller) merge(parts ...observe.Partial) *planner.Observed {
	for i := range parts {
		for address, h := range parts[i].Seen.Hosts {
			if h.Reachable {
				c.hosts.answered(address, parts[i].Seen.At)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = observe.Merge(c.seen, parts...)
	return c.seen
}

// hear passes on that something happened on a host, until ctx ends. It never says what: a look will.
func (k *keeper) hear(ctx context.Context, address spec.Address, s *spec.Host) {
	for again := false; ctx.Err() == nil; again = true {
		if host, err := k.c.hosts.get(ctx, s); err == nil {
			k.relay(ctx, address, host, again)
		}
		select { // a driver that can't be asked now, or a connection that was closed
		case <-time.After(jitter(k.how.Interval / earAgain)):
		case <-ctx.Done():
		}
	}
}

// earAgain is how often in an interval a host is asked for its events when it doesn't give any.
const earAgain = 10

// relay passes the events of one connection on. again: what happened before it listens isn't known.
func (k *keeper) relay(ctx context.Context, address spec.Address, host hypervisor.Host, again bool) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	events, err := host.Events(ctx)
	if err != nil {
		return
	}
	for more := true; more; {
		if !again {
			_, more = <-events // closed when the connection is gone, which is news too
		}
		again = false
		select {
		case k.events <- address:
		case <-ctx.Done():
		}
	}
}

// deafen stops listening to a host.
func (h *kept) deafen() { h.stop() }
