package reconcile_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// scene is something to be interrupted: what is there before, what is then asked for, and what must be
// true in the end.
type scene struct {
	name   string
	shared bool
	setup  func(*lab)
	change func(*lab)
	guests int // that run in the end
}

var scenes = []scene{
	{"create", true, func(*lab) {}, func(l *lab) { l.want(2) }, 2},
	{"terminate", false, func(l *lab) { l.want(2) }, func(l *lab) { l.want(0) }, 0},
	{"live shared", true, func(l *lab) { l.want(3) }, func(l *lab) { l.mode(1, spec.ModeDrain) }, 3},
	{"live local", false, func(l *lab) { l.want(3) }, func(l *lab) { l.mode(1, spec.ModeDrain) }, 3},
	{"cold shared", true, stoppedGuests, func(l *lab) { l.mode(1, spec.ModeDrain) }, 0},
	{"cold local", false, stoppedGuests, func(l *lab) { l.mode(1, spec.ModeDrain) }, 0},
	{"stop", true, func(l *lab) { l.want(2) }, func(l *lab) { l.power(spec.Stopped) }, 0},
	{"start", true, stoppedGuests, func(l *lab) { l.power(spec.Running) }, 3},
	{"pause", true, func(l *lab) { l.want(2) }, func(l *lab) { l.power(spec.Paused) }, 0},
	{"suspend", true, func(l *lab) { l.want(2) }, func(l *lab) { l.power(spec.Suspended) }, 0},
	{"restore", true, func(l *lab) { l.want(2) }, (*lab).loseDomains, 2},
}

func stoppedGuests(l *lab) {
	l.want(3)
	l.power(spec.Stopped)
}

// power sets what state all instances shall be in.
func (l *lab) power(p spec.Power) {
	for i := range l.spec.Instances {
		l.spec.Instances[i].State = p
	}
}

// loseDomains removes all domains behind the controller's back.
func (l *lab) loseDomains() {
	for _, d := range l.world.Truth().Domains {
		h := l.world.Behind(d.Host)
		_ = h.DestroyDomain(l.t.Context(), d.UUID)
		if err := h.UndefineDomain(l.t.Context(), d.UUID); err != nil {
			l.t.Fatal(err)
		}
	}
}

// TestKillAtEachStep kills the controller before and after each step that an operation takes, and lets
// the next epoch go on: it must converge, with nothing doubled, lost or left behind.
func TestKillAtEachStep(t *testing.T) {
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			n := 0
			for k := 0; ; k++ {
				reached := false
				synctest.Test(t, func(t *testing.T) { reached = killAt(t, s, k) })
				if !reached || t.Failed() {
					break
				}
				n++
			}
			t.Logf("killed %d times", n)
			if n < 4 {
				t.Errorf("killed %d times only: the trace is broken", n)
			}
		})
	}
}

// killAt plays a scene and kills the controller at the k-th end of a step. It reports whether there
// was one.
func killAt(t *testing.T, s scene, k int) bool {
	l := newLab(t, 3, s.shared)
	l.begin()
	s.setup(l)
	l.apply()
	l.kill()

	bomb := newBomb(k)
	l.opts.Trace = bomb.trace
	s.change(l)
	l.begin()
	ids := l.approve()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	settled := make(chan error, 1)
	c := l.c
	go func() { settled <- c.Settle(ctx, ids) }()
	select {
	case <-bomb.reached:
		l.stop()
		bomb.defuse()
		cancel()
		<-settled
		l.kill()
	case <-settled:
		l.kill()
	}
	l.opts.Trace = nil
	l.begin()
	defer l.kill()
	l.apply()
	l.apply() // what was withdrawn or failed is planned again
	l.converged()
	if got := l.total(); got != s.guests {
		t.Errorf("killed at %s: %d guests run, want %d\n%s", bomb.where, got, s.guests, l.dump())
	}
	if t.Failed() {
		t.Logf("killed at %s\n%s", bomb.where, l.dump())
	}
	return bomb.where != ""
}

// bomb stops every worker at the k-th end of a step until it is defused.
type bomb struct {
	mu      sync.Mutex
	left    int
	where   string
	reached chan struct{}
	over    chan struct{}
}

func newBomb(k int) *bomb {
	return &bomb{left: k, reached: make(chan struct{}), over: make(chan struct{})}
}

func (b *bomb) trace(op state.Operation, step string, when operation.When) {
	b.mu.Lock()
	if b.left == 0 {
		b.where = fmt.Sprintf("%s %s of %s %s", when, step, op.Action, op.Instance)
		close(b.reached)
	}
	b.left--
	gone := b.left < 0
	b.mu.Unlock()
	if gone {
		<-b.over
	}
}

func (b *bomb) defuse() { close(b.over) }
