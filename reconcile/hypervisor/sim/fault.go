package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// FaultKind is what goes wrong with a call.
type FaultKind string

// The kinds of fault.
const (
	Fail  FaultKind = "fail"  // nothing happens and the call returns Fault.Err
	Delay FaultKind = "delay" // takes effect and answers Fault.After later; a caller that leaves changes nothing
	Drop  FaultKind = "drop"  // never arrives: no effect, ErrUnknown
	Lose  FaultKind = "lose"  // takes effect now, but the answer is lost: ErrUnknown
	Late  FaultKind = "late"  // ErrUnknown at once, and takes effect Fault.After later
	Stick FaultKind = "stick" // Migrate only: runs until somebody aborts it
	Break FaultKind = "break" // Migrate only: fails half way, the guest stays where it is
)

// EventDelivery is the method of faults that befall events: Drop loses them.
const EventDelivery = "event"

// Fault befalls calls of a host.
type Fault struct {
	Kind   FaultKind
	Host   string        // name; "" or "*" is any
	Method string        // of hypervisor.Host, such as "StartDomain", or EventDelivery; "" or "*" is any method
	After  time.Duration // how much later, real time: TimeScale leaves it alone
	Err    error         // what Fail returns; nil is ErrRefused
	Times  int           // how often; 0 is until removed
	Chance float64       // of befalling a call, by the world's seed; 0 is always
}

// failure is the error of a Fail.
func (f Fault) failure() error {
	if f.Err == nil {
		return fmt.Errorf("%w: simulated fault", hypervisor.ErrRefused)
	}
	return f.Err
}

func (f Fault) matches(host, method string) bool {
	return (f.Host == "" || f.Host == "*" || f.Host == host) &&
		(f.Method == method || (f.Method == "" || f.Method == "*") && method != EventDelivery)
}

// rule is a Fault in force.
type rule struct {
	Fault
	left int // how often it may still happen, when Times is set
}

// Inject puts a fault in force until remove is called or it has happened Times times. When several
// match a call, the one injected first befalls it.
func (w *World) Inject(f Fault) (remove func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &rule{Fault: f, left: f.Times}
	w.rules = append(w.rules, r)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.rules = slices.DeleteFunc(w.rules, func(x *rule) bool { return x == r })
	}
}

// ClearFaults removes all faults of a host ("" or "*": of all hosts), not its condition.
func (w *World) ClearFaults(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rules = slices.DeleteFunc(w.rules, func(r *rule) bool {
		return host == "" || host == "*" || r.Host == host
	})
}

// Befell counts the faults that befell a call, by kind: what is in force and never met counts for nothing.
func (w *World) Befell() map[FaultKind]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.befell)
}

// fault returns what befalls this call of method at host.
func (w *World) fault(host, method string) Fault {
	return w.match(func(f Fault) bool { return !f.Kind.ofMigration() && f.matches(host, method) })
}

// migrationFault returns what befalls a migration from host, once it has begun.
func (w *World) migrationFault(host string) Fault {
	return w.match(func(f Fault) bool { return f.Kind.ofMigration() && f.matches(host, "Migrate") })
}

// ofMigration tells faults of a migration's course from those of a call.
func (k FaultKind) ofMigration() bool { return k == Stick || k == Break }

// match returns the first rule that fits and happens, and counts it.
func (w *World) match(fits func(Fault) bool) Fault {
	for i, r := range w.rules {
		if !fits(r.Fault) || r.Chance > 0 && w.random.Float64() >= r.Chance {
			continue
		}
		if r.Times > 0 {
			if r.left--; r.left == 0 {
				w.rules = slices.Delete(w.rules, i, i+1)
			}
		}
		w.befell[r.Kind]++
		return r.Fault
	}
	return Fault{}
}

// Condition is how a host as a whole is.
type Condition string

// The conditions of a host.
const (
	Up   Condition = ""     // all is well
	Down Condition = "down" // no power: unreachable, its guests are dead
	Cut  Condition = "cut"  // unreachable for controllers, its guests run and migrations go on
	Hung Condition = "hung" // libvirtd hangs: calls wait and all take effect once it is Up
)

// SetCondition changes how a host is. A host that comes back after Down has its definitions, and
// nothing runs on it.
func (w *World) SetCondition(name string, c Condition) {
	w.turn(func(t *turn) {
		h := w.host(name)
		if h.Condition == c {
			return
		}
		h.Condition = c
		t.changedHost(h)
		switch c {
		case Down:
			h.queue = nil
			h.powerLost(t)
			h.disconnect()
			h.tell(t, hypervisor.Event{Kind: hypervisor.EventLost})
		case Cut:
			h.disconnect()
			h.tell(t, hypervisor.Event{Kind: hypervisor.EventLost})
		case Up:
			queue := h.queue
			h.queue = nil
			for _, run := range queue {
				run(t)
			}
			h.emit(t, hypervisor.Event{Kind: hypervisor.EventResync})
		case Hung:
		}
	})
}

// SetDeaf makes guests of a host ignore the power button, or heed it again. An empty uuid is all.
func (w *World) SetDeaf(name, uuid string, deaf bool) {
	w.turn(func(t *turn) {
		h := w.host(name)
		for _, id := range slices.Sorted(maps.Keys(h.domains)) {
			if uuid == "" || uuid == id {
				h.domains[id].Deaf = deaf
				t.changedDomain(h, id)
			}
		}
		if uuid == "" {
			h.Deaf = deaf
			t.changedHost(h)
		}
	})
}

// Fill makes a pool say that it is full, or not. An empty path is every local pool of the host; a
// shared pool is full for all hosts.
func (w *World) Fill(name, path string, full bool) {
	w.turn(func(t *turn) {
		h := w.host(name)
		if path == "" {
			h.Full = full
			t.changedHost(h)
			return
		}
		p := h.pools[path]
		if shared := w.shared[path]; p == nil && shared != nil {
			p = shared
		}
		if p == nil {
			p = h.pool(path)
		}
		p.Full = full
		t.changedPool(p)
	})
}

// Unplug takes a bridge or libvirt network away from a host, or brings it back. Guests that are plugged into it stay.
func (w *World) Unplug(name, network string, gone bool) {
	w.turn(func(t *turn) {
		h := w.host(name)
		h.Unplugged = slices.DeleteFunc(h.Unplugged, func(n string) bool { return n == network })
		if gone {
			h.Unplugged = append(h.Unplugged, network)
		}
		t.changedHost(h)
	})
}

// Unmount takes a shared pool away from a host, or brings it back.
func (w *World) Unmount(name, path string, gone bool) {
	w.turn(func(t *turn) {
		h := w.host(name)
		h.Unmounted = slices.DeleteFunc(h.Unmounted, func(p string) bool { return p == path })
		if gone {
			h.Unmounted = append(h.Unmounted, path)
		}
		t.changedHost(h)
	})
}
