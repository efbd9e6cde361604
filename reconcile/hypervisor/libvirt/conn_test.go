package libvirt

import (
	"errors"
	"net"
	"testing"

	"pgregory.net/rapid"
)

// TestFrameGuardTakesPacketsInAnyPieces: valid packets pass however they are cut.
func TestFrameGuardTakesPacketsInAnyPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		for _, size := range rapid.SliceOf(rapid.IntRange(packetHeader, 200)).Draw(t, "sizes") {
			stream = append(stream, append(xdrInts(uint32(size)), make([]byte, size-4)...)...)
		}
		var guard frameGuard
		for len(stream) > 0 {
			n := rapid.IntRange(1, len(stream)).Draw(t, "piece")
			if err := guard.check(stream[:n]); err != nil {
				t.Fatal(err)
			}
			stream = stream[n:]
		}
		if guard.have != 0 || guard.left != 0 {
			t.Errorf("whole packets leave %+v", guard)
		}
	})
}

func TestFrameGuardRefusesOtherProtocols(t *testing.T) {
	for _, greeting := range []string{"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 400 Bad Request\r\n", "\x00\x00\x00\x1b", "\x00\x00\x00\x00", "\xff\xff\xff\xff"} {
		var guard frameGuard
		if err := guard.check([]byte(greeting)); !errors.Is(err, errNotLibvirt) {
			t.Errorf("%q: got %v", greeting, err)
		}
		guard = frameGuard{} // one byte at a time
		var err error
		for i := 0; i < 4 && err == nil; i++ {
			err = guard.check([]byte{greeting[i]})
		}
		if !errors.Is(err, errNotLibvirt) {
			t.Errorf("%q in pieces: got %v", greeting, err)
		}
	}
}

func TestConnKeepsTheFirstCause(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	conn := newGuardedConn(ours)
	close(conn.settled)
	first := errors.New("first")
	conn.end(first)
	conn.end(errors.New("second"))
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if got := conn.ended(); got != first {
		t.Errorf("cause %v", got)
	}
	<-conn.gone
	_, err := conn.Write([]byte("x"))
	var notSent *notSentError
	if !errors.As(err, &notSent) {
		t.Errorf("a write to a closed connection fails with %v", err)
	}
}
