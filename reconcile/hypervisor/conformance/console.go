package conformance

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/google/uuid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// terminal is somebody at a console: says nothing until it is closed, and notes that it was written to.
type terminal struct {
	in     *io.PipeReader
	hangUp *io.PipeWriter
}

func newTerminal() *terminal {
	in, hangUp := io.Pipe()
	return &terminal{in, hangUp}
}

func (t *terminal) Read(p []byte) (int, error)  { return t.in.Read(p) }
func (t *terminal) Write(p []byte) (int, error) { return len(p), nil }

// connect opens the console of a guest and returns its terminal and, when it ends, its error.
func (s *suite) connect(ctx context.Context, id string, force bool) (*terminal, <-chan error) {
	screen := newTerminal()
	done := make(chan error, 1)
	go func() {
		err := s.a.OpenConsole(ctx, id, screen, force)
		screen.in.Close()
		done <- err
	}()
	return screen, done
}

func console(t *testing.T, s *suite) {
	ctx := t.Context()
	want(t, "console of what isn't there", s.a.OpenConsole(ctx, uuid.NewString(), newTerminal(), false), hypervisor.ErrNotFound)
	def := s.defined(t)
	want(t, "console of what is off", s.a.OpenConsole(ctx, def.UUID, newTerminal(), false), hypervisor.ErrState)
	must(t, s.a.StartDomain(ctx, def.UUID))

	first, firstDone := s.connect(ctx, def.UUID, true)
	// A second user is refused once the first is in, which nothing but the refusal tells. One that comes
	// before the first is thrown out: the first comes by force.
	eventually(t, "refusal of a second user", func() bool {
		second, secondDone := s.connect(ctx, def.UUID, false)
		second.hangUp.Close()
		return errors.Is(<-secondDone, hypervisor.ErrState)
	})
	third, thirdDone := s.connect(ctx, def.UUID, true)
	<-firstDone // thrown out
	first.hangUp.Close()

	ended, cancel := context.WithCancel(ctx)
	_, fourthDone := s.connect(ended, def.UUID, true)
	<-thirdDone
	third.hangUp.Close()
	cancel()
	want(t, "console whose context ends", <-fourthDone, context.Canceled)

	fifth, fifthDone := s.connect(ctx, def.UUID, true)
	must(t, s.a.DestroyDomain(ctx, def.UUID))
	<-fifthDone // ends with the guest
	fifth.hangUp.Close()
}
