package libvirt

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

const testID = "2f8e7c3a-9d54-4c0e-8a31-7d3c5b1f0a11"

func target(name, uri string) hypervisor.Target { return hypervisor.Target{Name: name, URI: uri} }

func wantError(t *testing.T, what string, err, sentinel error) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Errorf("%s: got %v, want %v", what, err, sentinel)
	}
}

// heartbeat asks a host the cheapest question.
func heartbeat(ctx context.Context, h *host) error {
	_, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (uint64, error) { return rpc.ConnectGetLibVersion() })
	return h.fail("ask", err, false)
}

// bubble runs a test in virtual time with a fake libvirtd and a host, which it closes.
func bubble(t *testing.T, opts Options, test func(t *testing.T, f *fakeLibvirtd, h *host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		h := openFake(t, f, opts)
		test(t, f, h)
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		f.hangUp()
	})
}

func TestCallsWaitForTheFirstDial(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		if err := heartbeat(t.Context(), h); err != nil {
			t.Error(err)
		}
	})
}

func TestDialFailureIsUnreachableAndTriedAgain(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		f.set(func() { f.refuse = errRefusedByTest })
		f.hangUp()
		synctest.Wait()
		err := heartbeat(t.Context(), h)
		wantError(t, "first call", err, hypervisor.ErrUnreachable)
		wantError(t, "first call", err, errRefusedByTest)
		f.set(func() { f.refuse = nil })
		time.Sleep(16 * time.Second) // virtual: the longest backoff
		if err := heartbeat(t.Context(), h); err != nil {
			t.Errorf("after libvirtd came back: %v", err)
		}
	})
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		f.set(func() { f.refuse = errRefusedByTest })
		f.hangUp()
		time.Sleep(time.Hour)
		// An hour at 7.5 to 15 s each, and a few quick ones to begin with.
		if n := f.dialled(); n < 240 || n > 500 {
			t.Errorf("%d dials in an hour", n)
		}
	})
}

func TestACallCutsTheBackoffShort(t *testing.T) {
	bubble(t, Options{BackoffMin: time.Hour, BackoffMax: time.Hour}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		f.set(func() { f.refuse = errRefusedByTest })
		f.hangUp()
		time.Sleep(2 * retryAfter)
		f.set(func() { f.refuse = nil })
		began := time.Now()
		if err := heartbeat(t.Context(), h); err != nil {
			t.Errorf("call long after the last dial: %v", err)
		}
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("it waited %s for the backoff", waited)
		}
	})
}

func TestLostAnswerIsUnknownForChangesOnly(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		hangUp := func(c *fakeClient, _ packet) { c.conn.Close() }
		f.handle(procCreate, hangUp)
		wantError(t, "start", h.StartDomain(t.Context(), testID), hypervisor.ErrUnknown)
		f.handle(procLibVersion, hangUp)
		wantError(t, "question", heartbeat(t.Context(), h), hypervisor.ErrUnreachable)
	})
}

func TestContextEndsTheWaitNotTheCall(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		answer := make(chan struct{})
		f.handle(procCreate, func(c *fakeClient, call packet) { <-answer; c.fail(call, 42, "late") })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		wantError(t, "start", h.StartDomain(ctx, testID), hypervisor.ErrUnknown)
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("waited %s", waited)
		}
		// The connection is as good as before, and the late answer bothers nobody.
		close(answer)
		if err := heartbeat(t.Context(), h); err != nil {
			t.Error(err)
		}
		if n := f.dialled(); n != 1 {
			t.Errorf("%d dials", n)
		}
	})
}

func TestEndedContextSendsNothing(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		if err := heartbeat(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		f.handle(procCreate, func(c *fakeClient, call packet) { t.Error("the call was sent"); c.reply(call, nil) })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantError(t, "start", h.StartDomain(ctx, testID), hypervisor.ErrUnreachable)
	})
}

func TestSlowCallIsUnknownButKeepsTheConnection(t *testing.T) {
	bubble(t, Options{CallTimeout: 20 * time.Second}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		answer := make(chan struct{})
		f.handle(procCreate, func(c *fakeClient, call packet) { <-answer; c.fail(call, 42, "late") })
		wantError(t, "start", h.StartDomain(t.Context(), testID), hypervisor.ErrUnknown)
		if err := heartbeat(t.Context(), h); err != nil {
			t.Error(err)
		}
		if n := f.dialled(); n != 1 {
			t.Errorf("%d dials: the heartbeat was answered, the connection should have stayed", n)
		}
		close(answer)
	})
}

func TestSilentHostIsGivenUpByTheHeartbeat(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		if err := heartbeat(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		f.set(func() { f.silent = true })
		began := time.Now()
		err := h.StartDomain(t.Context(), testID)
		wantError(t, "start", err, hypervisor.ErrUnknown)
		if waited := time.Since(began); waited > 16*time.Second { // every 5 s, 10 s patience
			t.Errorf("noticed after %s", waited)
		}
		if err != nil && !strings.Contains(err.Error(), "doesn't answer") {
			t.Errorf("the error doesn't say why: %v", err)
		}
		wantError(t, "next call", heartbeat(t.Context(), h), hypervisor.ErrUnreachable) // the login gets no answer either
		f.set(func() { f.silent = false })
		time.Sleep(16 * time.Second)
		if err := heartbeat(t.Context(), h); err != nil {
			t.Errorf("after it woke up: %v", err)
		}
	})
}

func TestCallsBeyondTheSlotsWait(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		release := make(chan struct{})
		under := make(chan struct{}, 100)
		f.handle(procCreate, func(c *fakeClient, call packet) { under <- struct{}{}; <-release; c.fail(call, 55, "runs") })
		done := make(chan error, 10)
		for range 10 {
			go func() { done <- h.StartDomain(t.Context(), testID) }()
		}
		synctest.Wait()
		if n := len(under); n != callSlots {
			t.Errorf("%d calls under way, want %d", n, callSlots)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantError(t, "a call that got no slot", h.StartDomain(ctx, testID), hypervisor.ErrUnreachable)
		close(release)
		for range 10 {
			wantError(t, "start", <-done, hypervisor.ErrState)
		}
	})
}

func TestHostThatThrowsUsOutIsNotHammered(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		f.handle(procOpen, func(c *fakeClient, call packet) { c.reply(call, nil); c.conn.Close() })
		f.hangUp()
		time.Sleep(time.Minute)
		if n := f.dialled(); n > 30 {
			t.Errorf("%d dials in a minute", n)
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		if err := heartbeat(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		events, err := h.Events(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.set(func() { f.silent = true })
		pending := make(chan error, 1)
		go func() { pending <- h.StartDomain(t.Context(), testID) }()
		synctest.Wait()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		wantError(t, "call under way", <-pending, hypervisor.ErrUnknown)
		wantError(t, "later call", heartbeat(t.Context(), h), hypervisor.ErrUnreachable)
		for range events { // closed
		}
	})
}

func TestErrorsNameHostAndObject(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		f.handle(procCreate, func(c *fakeClient, call packet) { c.fail(call, 42, "Domain not found") })
		err := h.StartDomain(t.Context(), testID)
		wantError(t, "start", err, hypervisor.ErrNotFound)
		const text = "host kvm1: start domain " + testID + ": not found: Domain not found"
		if err == nil || err.Error() != text {
			t.Errorf("got  %v\nwant %s", err, text)
		}
	})
}
