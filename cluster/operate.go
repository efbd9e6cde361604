package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// Leader returns who leads as far as this member knows; "" when it knows of nobody.
func (n *Node) Leader() (id, address string) {
	a, i := n.raft.LeaderWithID()
	return string(i), string(a)
}

// Verify makes sure that this node leads now and that State holds all that was acknowledged before: the
// consistent read. It takes a round trip to a majority of the members, and fails with ErrNotLeader,
// which ErrNoLeader is as well.
func (n *Node) Verify(ctx context.Context) error {
	term, err := n.leadingNow(ctx) // what was committed before its term is applied from here on
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- n.await(n.raft.VerifyLeader()) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err != nil {
		return n.proposalError(err)
	}
	if n.Term() != term {
		return n.notLeader(raft.ErrLeadershipLost)
	}
	return nil
}

// Members returns all members, in the order in which they came. It doesn't ask them: who was silent for some
// seconds is unhealthy.
func (n *Node) Members(context.Context) ([]MemberInfo, error) {
	if err := n.Err(); err != nil {
		return nil, err
	}
	leader, _ := n.Leader()
	var out []MemberInfo
	for _, s := range n.servers() {
		info := MemberInfo{ID: s.ID, Address: s.Address, Voter: s.Voter, Leader: s.ID == leader, Healthy: true}
		if n.member == nil {
			info.Applied, info.Level = n.State().Index, n.supports()
		} else {
			n.member.describe(&info)
		}
		out = append(out, info)
	}
	return out, nil
}

// describe adds what is known of a member.
func (m *member) describe(info *MemberInfo) {
	st := status{}
	if info.ID == m.ID {
		st = m.status()
	} else {
		m.mu.Lock()
		p := m.peers[info.Address]
		if p != nil {
			st = p.status
		}
		info.LastContact = -1
		if p != nil && !p.at.IsZero() {
			info.LastContact = time.Since(p.at)
		}
		if !m.fresh(p) {
			info.Healthy, info.Problem = false, "not heard from"
			if p != nil && p.err != nil {
				info.Problem += ": " + p.err.Error()
			}
		}
		m.mu.Unlock()
	}
	info.Applied, info.Version, info.Level = st.Applied, st.Version, st.Level
	switch behind := m.node.raft.LastIndex() - min(st.LastIndex, m.node.raft.LastIndex()); {
	case !info.Healthy:
	case st.Contact < 0 || st.Contact > m.silent:
		info.Healthy, info.Problem = false, "it doesn't hear a leader"
	case behind > trailingLogs:
		info.Healthy, info.Problem = false, fmt.Sprintf("it is %d entries behind", behind)
	}
}

// TransferLeadership makes another voter the leader; "" leaves the choice to the one who knows most. When it
// returns nil, the other has begun an election that it wins.
func (n *Node) TransferLeadership(ctx context.Context, id string) error {
	if err := n.leads(); err != nil {
		return err
	}
	if id == "" {
		return n.changed(ctx, n.raft.LeadershipTransfer())
	}
	for _, s := range n.servers() {
		if s.ID == id && !s.Voter {
			return fmt.Errorf("member %q doesn't vote yet", id)
		}
		if s.ID == id && s.ID == string(n.self.ID) {
			return nil
		}
		if s.ID == id {
			return n.changed(ctx, n.raft.LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(s.Address)))
		}
	}
	return n.unknownMember(id)
}

// RemoveMember takes a member out for good. One that is alive is told and goes down with ErrRemoved; one
// that can't be told asks to be let in again when it comes back. The leader removes itself by handing over
// first: it returns ErrNotLeader then, and the next leader is to be asked.
func (n *Node) RemoveMember(ctx context.Context, id string) error {
	if err := n.leads(); err != nil {
		return err
	}
	if n.member == nil {
		return fmt.Errorf("%w: an embedded record has one member", ErrMember)
	}
	for _, s := range n.servers() {
		if s.ID != id {
			continue
		}
		if id == n.member.ID {
			if err := n.changed(ctx, n.raft.LeadershipTransfer()); err != nil {
				return fmt.Errorf("nobody can take over from %s: %w", id, err)
			}
			return n.notLeader(raft.ErrNotLeader)
		}
		if err := n.changed(ctx, n.raft.RemoveServer(raft.ServerID(id), 0, n.member.rpc)); err != nil {
			return err
		}
		n.opts.Logger.Info("removed", "member", id, "address", s.Address)
		if _, err := n.member.ask(ctx, s.Address, question{Kind: tellRemove, Group: n.member.group()}); err != nil {
			n.opts.Logger.Info("the removed member can't be told", "member", id, "error", err)
		}
		return nil
	}
	return n.unknownMember(id)
}

func (n *Node) unknownMember(id string) error {
	ids := ""
	for _, s := range n.servers() {
		ids += " " + s.ID
	}
	return fmt.Errorf("there is no member %q; there are:%s", id, ids)
}

// leads tells whether this node leads, as far as it knows.
func (n *Node) leads() error {
	if err := n.Err(); err != nil {
		return err
	}
	if n.raft.State() != raft.Leader {
		return n.notLeader(raft.ErrNotLeader)
	}
	return nil
}

// changed waits for a future, or for ctx.
func (n *Node) changed(ctx context.Context, f raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- n.await(f) }()
	select {
	case err := <-done:
		if errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrLeadershipLost) {
			return n.notLeader(err)
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
