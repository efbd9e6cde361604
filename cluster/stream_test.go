package cluster

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/cluster/clustertest"
)

// certified is a connection that knows whose certificate is at its other end.
type certified struct {
	net.Conn
	name string
}

// Peer is that name.
func (c certified) Peer() string { return c.name }

// certifying is a network on which everybody who calls has a certificate of one name.
type certifying struct {
	*clustertest.Port
	name string
}

// Listen wraps what comes in.
func (n certifying) Listen(protocol string) net.Listener {
	return certifyingListener{n.Port.Listen(protocol), n.name}
}

type certifyingListener struct {
	net.Listener
	name string
}

// Accept wraps one.
func (l certifyingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return certified{c, l.name}, err
}

// TestGreetings is about who may speak raft with whom.
func TestGreetings(t *testing.T) {
	for _, tc := range []struct {
		name               string
		me, mine           string // id and group of who calls
		you, yours, really string // and of who is called, and whom the caller takes it for
		certificate        string
		want               string // "": they talk
	}{
		{"two of a cluster", "a", "g", "b", "g", "b", "a", ""},
		{"another has the address now", "a", "g", "c", "g", "b", "a", `this is member "c", not "b"`},
		{"nobody knows who has the address", "a", "g", "b", "g", "", "a", `not ""`},
		{"another cluster", "a", "g", "b", "h", "b", "a", "another cluster"},
		{"one that was wiped", "a", "g", "b", "", "b", "a", "has not joined"},
		{"a certificate of another", "a", "g", "b", "g", "b", "mallory", `of "mallory"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			network := clustertest.New()
			caller := newStream(network.Port("1"), LAN.timing().rpc, func() (string, string) { return tc.me, tc.mine }, func(string) string { return tc.really })
			defer caller.Close()
			called := newStream(certifying{network.Port("2"), tc.certificate}, LAN.timing().rpc, func() (string, string) { return tc.you, tc.yours }, nil)
			defer called.Close()
			c, err := caller.Dial("2", 0)
			if err == nil {
				defer c.Close()
			}
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestNobodyAsksInAnothersName is the same for the questions of members.
func TestNobodyAsksInAnothersName(t *testing.T) {
	network := clustertest.New()
	asked := newTalker(certifying{network.Port("2"), "mallory"}, LAN.timing().rpc, func(question, net.Conn) answer { return answer{Status: status{ID: "b"}} })
	defer asked.Close()
	asks := newTalker(network.Port("1"), LAN.timing().rpc, nil)
	defer asks.Close()
	ctx, cancel := context.WithTimeout(t.Context(), LAN.timing().rpc)
	defer cancel()
	a, err := asks.ask(ctx, "2", question{Version: talkVersion, Kind: askStatus, From: status{ID: "a"}})
	if err != nil || !strings.Contains(a.Refused, "mallory") {
		t.Errorf("%+v, %v", a, err)
	}
	a, err = asks.ask(ctx, "2", question{Version: 99, From: status{ID: "mallory"}})
	if err != nil || !strings.Contains(a.Refused, "99") {
		t.Errorf("%+v, %v", a, err)
	}
}
