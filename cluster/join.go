package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"
)

// tend looks at the other members again and again, and finds a place among them.
func (m *member) tend() {
	for {
		m.lookAround()
		wait := m.look
		if !m.seek() {
			wait /= 4
		}
		m.keepNotes()
		select {
		case <-m.ctx.Done():
			return
		case <-m.node.down:
			return
		case <-time.After(wait):
		}
	}
}

// keepNotes writes down what a member can't know from its log alone when it comes back.
func (m *member) keepNotes() {
	if m.node.raft.LastIndex() == 0 {
		return
	}
	err := m.note(func(id *identity) { id.Begun = true })
	if index := m.node.State().Index; index > m.committed {
		m.committed = index
		err = errors.Join(err, m.node.store.mark.commit(index))
	}
	if err != nil {
		m.log.Warn("keep notes beside the log", "error", err)
	}
}

// lookAround asks everybody for their status.
func (m *member) lookAround() {
	addresses := slices.Clone(m.RetryJoin)
	for _, s := range m.node.servers() {
		addresses = append(addresses, s.Address)
	}
	slices.Sort(addresses)
	addresses = slices.DeleteFunc(slices.Compact(addresses), func(a string) bool { return a == m.Network.Address() })
	var asking sync.WaitGroup
	for _, a := range addresses {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(m.ctx, m.look)
			defer cancel()
			got, err := m.ask(ctx, a, question{Kind: askStatus})
			m.heard(a, got.Status, err)
		})
	}
	asking.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for a, p := range m.peers {
		if !slices.Contains(addresses, a) {
			delete(m.peers, a)
			continue
		}
		m.noteSilence(a, p)
	}
}

// noteSilence logs once that a member isn't heard any more, and once that it is again; mu is held.
func (m *member) noteSilence(address string, p *peer) {
	if silent := !m.fresh(p); silent != p.silent && !p.at.IsZero() {
		p.silent = silent
		if silent {
			m.log.Warn("a member is silent", "member", p.status.ID, "address", address, "error", p.err)
		} else {
			m.log.Info("a member is heard again", "member", p.status.ID, "address", address)
		}
	}
}

func (m *member) ask(ctx context.Context, address string, q question) (answer, error) {
	q.Version, q.From = talkVersion, m.status()
	a, err := m.talker.ask(ctx, address, q)
	if err == nil && a.Refused != "" && a.Status.ID == "" {
		err = fmt.Errorf("member at %s: %s", address, a.Refused)
	}
	return a, err
}

// heard notes an answer.
func (m *member) heard(address string, st status, err error) {
	if err == nil && st.Boot == m.boot {
		return // one of the addresses to ask is this member's own, by another name
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.peers[address]
	if p == nil {
		p = new(peer)
		m.peers[address] = p
	}
	p.err = err
	if err == nil {
		p.status, p.at = st, time.Now()
	}
}

// heardOf returns what was heard lately, in the order of the addresses.
func (m *member) heardOf() []status {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []status
	for _, p := range m.peers {
		if m.fresh(p) {
			all = append(all, p.status)
		}
	}
	slices.SortFunc(all, func(a, b status) int { return strings.Compare(a.Address, b.Address) })
	return all
}

// seek makes the next step towards a place in a cluster. It reports whether this member has one.
func (m *member) seek() bool {
	n := m.node
	others := m.heardOf()
	if n.raft.State() == raft.Leader {
		m.raiseLevel(others)
		return true
	}
	group, begun := m.group(), n.raft.LastIndex() > 0
	if i := slices.IndexFunc(others, func(o status) bool { return o.Leads && (o.Group == group || !begun) }); i >= 0 {
		me, in := others[i].serverOf(m.ID)
		if in && others[i].Group == group && me.Address == m.Network.Address() {
			return begun // if not, the leader is about to send it all
		}
		m.join(others[i])
		return false
	}
	if begun {
		m.amongStrangers(group, others)
		return true
	}
	if i := slices.IndexFunc(others, func(o status) bool { return o.Begun }); i >= 0 {
		m.wait("%s (%s) has a cluster; waiting until that has a leader", others[i].ID, others[i].Address)
		return false
	}
	m.tryBootstrap(others)
	return false
}

// amongStrangers ends a member that hears nobody of its own cluster, but members of another.
func (m *member) amongStrangers(group string, others []status) {
	strangers := slices.DeleteFunc(slices.Clone(others), func(o status) bool { return !o.Begun })
	if len(strangers) == 0 || slices.ContainsFunc(strangers, func(o status) bool { return o.Group == group }) {
		return
	}
	if slices.ContainsFunc(m.node.servers(), func(s server) bool { return s.ID == m.ID }) && len(m.node.servers()) == 1 {
		return // it leads itself, or is about to
	}
	m.refused("%s (%s) belongs to another cluster than this member's record; join with an empty folder", strangers[0].ID, strangers[0].Address)
}

// refused takes this member down: asking again won't help.
func (m *member) refused(format string, args ...any) {
	m.node.stop(fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...)))
}

// join asks a leader to be let in.
func (m *member) join(leader status) {
	ctx, cancel := context.WithTimeout(m.ctx, 4*m.rpc)
	defer cancel()
	a, err := m.ask(ctx, leader.Address, question{Kind: askJoin})
	switch {
	case err != nil:
		m.wait("%s can't be asked to let this member in: %v", leader.ID, err)
	case a.Refused != "":
		m.refused("%s", a.Refused)
	case a.Later != "":
		m.wait("%s", a.Later)
	default:
		if err := m.belong(a.Status.Group); err != nil {
			m.refused("%v", err)
		}
		m.wait("%s has let this member in; waiting for the record", leader.ID)
	}
}

// tryBootstrap begins the cluster when all who shall begin it see each other. Only the first of them by id
// acts, and the others promise to follow it: no two clusters ever begin among the same members.
func (m *member) tryBootstrap(others []status) {
	if m.BootstrapExpect == 0 {
		m.wait("no member of the cluster answers at %s", strings.Join(m.RetryJoin, ", "))
		return
	}
	expected := slices.DeleteFunc(others, func(o status) bool { return o.Expect == 0 })
	sees := m.sees()
	for i, o := range expected {
		switch {
		case o.ID == m.ID:
			m.refused("another member, at %s, calls itself %q too", o.Address, o.ID)
			return
		case slices.ContainsFunc(expected[:i], func(p status) bool { return p.ID == o.ID }):
			m.wait("two members call themselves %q, one of them at %s", o.ID, o.Address)
			return
		case o.Expect != m.BootstrapExpect:
			m.wait("%s expects %d members to begin with, this one %d", o.ID, o.Expect, m.BootstrapExpect)
			return
		case m.BootstrapExpect > 1 && !slices.Equal(o.Sees, sees):
			m.wait("%s sees %s, this one sees %s", o.ID, strings.Join(o.Sees, ", "), strings.Join(sees, ", "))
			return
		}
	}
	if m.BootstrapExpect == 1 {
		expected, sees = nil, []string{m.ID}
	}
	if len(sees) < m.BootstrapExpect {
		m.wait("%d members to begin with are expected, %d see each other: %s", m.BootstrapExpect, len(sees), strings.Join(sees, ", "))
		return
	}
	if sees[0] != m.ID {
		m.wait("%s begins the cluster", sees[0])
		return
	}
	m.bootstrap(expected)
}

// bootstrap gets everybody's promise and begins.
func (m *member) bootstrap(others []status) {
	group := m.group()
	if group == "" {
		group = uuid.NewString()
	}
	if err := m.belong(group); err != nil {
		m.wait("%v", err)
		return
	}
	servers := []raft.Server{m.node.self}
	for _, other := range others {
		ctx, cancel := context.WithTimeout(m.ctx, m.rpc)
		a, err := m.ask(ctx, other.Address, question{Kind: askPromise, Group: group})
		cancel()
		switch {
		case err != nil:
			m.wait("%s can't be asked to begin: %v", other.ID, err)
			return
		case a.Refused != "" || a.Status.ID != other.ID:
			m.wait("%s doesn't begin with this member: %s", other.ID, a.Refused)
			return
		}
		servers = append(servers, raft.Server{ID: raft.ServerID(other.ID), Address: raft.ServerAddress(other.Address)})
	}
	m.log.Info("beginning the cluster", "members", m.sees())
	if err := m.node.await(m.node.raft.BootstrapCluster(raft.Configuration{Servers: servers})); err != nil {
		m.wait("begin the cluster: %v", err)
	}
}

// raiseLevel is the leader's: once every member is known to support more, the record may use it.
func (m *member) raiseLevel(others []status) {
	level := m.node.supports()
	for _, s := range m.node.servers() {
		if s.ID == m.ID {
			continue
		}
		i := slices.IndexFunc(others, func(o status) bool { return o.ID == s.ID && o.Address == s.Address })
		if i < 0 {
			return
		}
		level = min(level, others[i].Level)
	}
	if m.node.Term() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(m.ctx, m.rpc)
	defer cancel()
	if err := m.node.raiseLevel(ctx, level); err != nil {
		m.log.Warn("raise the level", "to", level, "error", err)
	}
}
