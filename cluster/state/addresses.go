package state

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/novaplan/novaplan/spec"
)

// ErrNoAddress says that a network's allocation pool has no free address left.
var ErrNoAddress = errors.New("no free address left")

// AddressPool assigns the addresses of one network, lowest first. It is a scratch pad of one
// computation, not part of the record.
type AddressPool struct {
	prefix      netip.Prefix
	first, last netip.Addr
	used        map[netip.Addr]bool
	next        netip.Addr // nothing below it is free
}

// NewAddressPool returns the pool of n, with the addresses in taken used up; texts that are no
// address are ignored. Without an allocation_pool it is the whole cidr, less the network, broadcast
// and gateway addresses. It returns nil when n has no cidr: nothing is assigned there.
func NewAddressPool(n *spec.Network, taken ...string) (*AddressPool, error) {
	if n.CIDR == "" {
		return nil, nil
	}
	prefix, err := netip.ParsePrefix(n.CIDR)
	if err != nil {
		return nil, fmt.Errorf("%s: cidr: %w", n.Address, err)
	}
	p := &AddressPool{prefix: prefix.Masked(), used: make(map[netip.Addr]bool, len(taken)+1)}
	if err := p.bounds(n); err != nil {
		return nil, err
	}
	if gateway, err := netip.ParseAddr(n.Gateway); err == nil {
		p.used[gateway] = true
	}
	for _, t := range taken {
		if a, err := netip.ParseAddr(t); err == nil {
			p.used[a] = true
		}
	}
	p.next = p.first
	return p, nil
}

func (p *AddressPool) bounds(n *spec.Network) (err error) {
	p.first, p.last = p.prefix.Addr(), lastAddress(p.prefix)
	hostBits := p.prefix.Addr().BitLen() - p.prefix.Bits()
	if hostBits > 1 {
		p.first = p.first.Next()
		if p.first.Is4() {
			p.last = p.last.Prev()
		}
	}
	if n.PoolFirst != "" {
		if p.first, err = netip.ParseAddr(n.PoolFirst); err != nil {
			return fmt.Errorf("%s: allocation_pool: %w", n.Address, err)
		}
	}
	if n.PoolLast != "" {
		if p.last, err = netip.ParseAddr(n.PoolLast); err != nil {
			return fmt.Errorf("%s: allocation_pool: %w", n.Address, err)
		}
	}
	return nil
}

// Next assigns the lowest free address of the allocation pool, or returns ErrNoAddress. A run of
// calls costs one pass over the pool.
func (p *AddressPool) Next() (string, error) {
	for a := p.next; a.IsValid() && a.Compare(p.last) <= 0; a = a.Next() {
		if !p.used[a] {
			p.used[a] = true
			p.next = a.Next()
			return a.String(), nil
		}
	}
	p.next = p.last.Next()
	return "", fmt.Errorf("%w between %s and %s", ErrNoAddress, p.first, p.last)
}

// Take assigns this very address, which may be outside the allocation pool but not outside the
// network. It reports whether it was free.
func (p *AddressPool) Take(ip string) (bool, error) {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return false, err
	}
	if !p.prefix.Contains(a) {
		return false, fmt.Errorf("%s is not in %s", ip, p.prefix)
	}
	if p.used[a] {
		return false, nil
	}
	p.used[a] = true
	return true, nil
}

// Release makes an address free again.
func (p *AddressPool) Release(ip string) {
	a, err := netip.ParseAddr(ip)
	if err != nil || !p.used[a] {
		return
	}
	delete(p.used, a)
	if a.Compare(p.first) >= 0 && (!p.next.IsValid() || a.Compare(p.next) < 0) {
		p.next = a
	}
}

// FreeIP returns the lowest free address of n's allocation pool; for many at once keep an
// AddressPool.
func FreeIP(n *spec.Network, taken []string) (string, error) {
	p, err := NewAddressPool(n, taken...)
	if err != nil || p == nil {
		return "", err
	}
	return p.Next()
}

func lastAddress(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
