package libvirt

import (
	"context"
	"errors"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

const procJobStats = 298

// TestHeldDomain: a domain whose job libvirt doesn't tell is held, which takes a moment to find out and is not asked
// again and again; the host goes on answering, and once libvirt answers it is not held any more.
func TestHeldDomain(t *testing.T) {
	const patience = 3 * time.Second
	bubble(t, Options{JobTimeout: patience}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		asked, release := 0, make(chan struct{})
		f.handle(procJobStats, func(c *fakeClient, call packet) {
			f.set(func() { asked++ })
			<-release
			c.reply(call, xdrInts(uint32(golibvirt.DomainJobNone), 0))
		})
		dom := golibvirt.Domain{Name: "held"}
		for range 10 {
			begun := time.Now()
			if _, err := h.jobSoon(t.Context(), dom); !errors.Is(err, errHeld) {
				t.Fatalf("got %v, want that it is held", err)
			}
			if took := time.Since(begun); took > patience { // virtual
				t.Errorf("that took %s", took)
			}
			if err := heartbeat(t.Context(), h); err != nil {
				t.Errorf("the host doesn't answer: %v", err)
			}
		}
		f.set(func() {
			if asked != 1 {
				t.Errorf("it was asked for %d times, want once", asked)
			}
		})
		close(release)
		time.Sleep(time.Second) // virtual: the late answer comes
		if _, err := h.jobSoon(t.Context(), dom); err != nil {
			t.Errorf("after libvirt answered: %v", err)
		}
	})
}

// TestHeldInLibvirtsWords: libvirt gives up its own wait for the lock.
func TestHeldInLibvirtsWords(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		f.handle(procJobStats, func(c *fakeClient, call packet) {
			c.fail(call, uint32(golibvirt.ErrOperationTimeout), "Timed out during operation: cannot acquire state change lock")
		})
		if _, err := h.jobSoon(t.Context(), golibvirt.Domain{}); !errors.Is(err, errHeld) {
			t.Errorf("got %v", err)
		}
	})
}

// TestLostHostIsNotHeld: no answer because the caller's own time is over, or the host is gone, says nothing of the
// domain.
func TestLostHostIsNotHeld(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, f *fakeLibvirtd, h *host) {
		f.handle(procJobStats, func(*fakeClient, packet) {})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.jobSoon(ctx, golibvirt.Domain{}); err == nil || errors.Is(err, errHeld) {
			t.Errorf("the caller gave up: %v", err)
		}
		f.handle(procJobStats, func(*fakeClient, packet) { f.hangUp() })
		if _, err := h.jobSoon(t.Context(), golibvirt.Domain{UUID: golibvirt.UUID{1}}); err == nil || errors.Is(err, errHeld) {
			t.Errorf("the host is gone: %v", err)
		}
	})
}
