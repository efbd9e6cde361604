package clustertest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// connected returns both ends of a connection from a to b.
func connected(t *testing.T, n *Network) (near, far net.Conn, a, b *Port) {
	t.Helper()
	a, b = n.Port("a"), n.Port("b")
	l := b.Listen("p")
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	near, err := a.Dial(t.Context(), "b", "p")
	if err != nil {
		t.Fatal(err)
	}
	return near, <-accepted, a, b
}

func send(t *testing.T, c net.Conn, what string) {
	t.Helper()
	if _, err := c.Write([]byte(what)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("%q, %v; want %q", got, err, want)
	}
}

func TestBytesArriveInOrderAndLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		near, far, _, _ := connected(t, n)
		delays := []time.Duration{30 * time.Millisecond, time.Millisecond}
		n.Delay(func(from, to string) time.Duration {
			if from != "a" || len(delays) == 0 {
				return 0
			}
			d := delays[0]
			delays = delays[1:]
			return d
		})
		from := time.Now()
		send(t, near, "slow ")
		send(t, near, "quick")
		receive(t, far, "slow quick")
		if took := time.Since(from); took != 30*time.Millisecond {
			t.Errorf("took %s", took)
		}
	})
}

func TestWhatIsCutArrivesWhenMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		near, far, a, _ := connected(t, n)
		n.Cut("a", "b")
		send(t, near, "late")
		if err := far.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read through a cut cable: %v", err)
		}
		send(t, far, "back") // the other way is whole
		receive(t, near, "back")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Dial(ctx, "b", "p"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial through a cut cable: %v", err)
		}
		n.Heal()
		if err := far.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		receive(t, far, "late")
	})
}

func TestDeathResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far, a, b := connected(t, New())
		send(t, far, "last words")
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		receive(t, near, "last words")
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read from the dead: %v", err)
		}
		if _, err := near.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write to the dead: %v", err)
		}
		if _, err := a.Dial(t.Context(), "b", "p"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial the dead: %v", err)
		}
	})
}

func TestIsolateLeavesOneItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		a := n.Port("a")
		n.Port("b")
		l := a.Listen("p")
		go func() { _, _ = l.Accept() }()
		n.Isolate("a")
		c, err := a.Dial(t.Context(), "a", "p")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
