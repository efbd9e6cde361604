package transport

import (
	"net"
	"sync"
)

// gate bounds how many connections may be half open, together and from one address: whoever opens
// connections and says nothing must not keep others out.
type gate struct {
	most, perHost int

	mu    sync.Mutex
	total int
	hosts map[string]int
	full  bool // somebody was refused since it was last empty
}

func newGate(most, perHost int) *gate {
	return &gate{most: most, perHost: perHost, hosts: map[string]int{}}
}

// enter lets a connection in. first is true for the first refusal after a quiet time.
func (g *gate) enter(from net.Addr) (leave func(), first bool) {
	host := hostOf(from)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.total >= g.most || host != "" && g.hosts[host] >= g.perHost {
		first, g.full = !g.full, true
		return nil, first
	}
	g.total++
	if host != "" {
		g.hosts[host]++
	}
	return func() { g.leave(host) }, false
}

func (g *gate) leave(host string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.total--; g.total == 0 {
		g.full = false
	}
	if host == "" {
		return
	}
	if g.hosts[host]--; g.hosts[host] == 0 {
		delete(g.hosts, host)
	}
}

func (g *gate) inside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total
}

// hostOf returns the address that a connection is counted by; "" for loopback, where all of this machine's
// programs share one.
func hostOf(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() {
		return ""
	}
	return tcp.IP.String()
}
