package cluster

import (
	"context"
	"fmt"
	"net"

	"github.com/hashicorp/raft"
)

// answer answers another member.
func (m *member) answer(q question, _ net.Conn) answer {
	var a answer
	switch q.Kind {
	case askStatus:
	case askPromise:
		a.Refused = m.promise(q.Group)
	case askJoin:
		a.Refused, a.Later = m.admit(q.From)
	case tellRemove:
		m.removed(q.Group)
	default:
		a.Refused = fmt.Sprintf("a question %q is not known here", q.Kind)
	}
	a.Status = m.status()
	return a
}

// promise makes this member one of a cluster that is about to begin.
func (m *member) promise(group string) (refused string) {
	if m.node.raft.LastIndex() > 0 && m.group() != group {
		return fmt.Sprintf("member %q has a record already", m.ID)
	}
	if err := m.belong(group); err != nil {
		return err.Error()
	}
	return ""
}

// removed takes this member down because an operator said so to the leader.
func (m *member) removed(group string) {
	if group != m.group() {
		return
	}
	if err := m.note(func(id *identity) { id.Removed = true }); err != nil {
		m.log.Warn("note the removal", "error", err)
	}
	m.node.stop(fmt.Errorf("%w; its folder is %s", ErrRemoved, m.node.dir))
}

// admit lets a newcomer in, or says why not: for good, or for now.
func (m *member) admit(from status) (refused, later string) {
	m.joining.Lock()
	defer m.joining.Unlock()
	n := m.node
	ctx, cancel := context.WithTimeout(m.ctx, 3*m.rpc)
	defer cancel()
	if err := n.Verify(ctx); err != nil {
		return "", fmt.Sprintf("%s doesn't lead: %v", m.ID, err)
	}
	if refused = m.judge(from); refused != "" {
		return refused, ""
	}
	here, err := m.ask(ctx, from.Address, question{Kind: askStatus})
	if err != nil || here.Status.Boot != from.Boot {
		return "", fmt.Sprintf("member %q says its address is %s, but %s doesn't reach it there: %v", from.ID, from.Address, m.ID, err)
	}
	if refused, err = m.place(ctx, from); err != nil {
		return "", fmt.Sprintf("%s can't add member %q now: %v", m.ID, from.ID, err)
	}
	return refused, ""
}

// judge decides whether a newcomer may belong to this cluster at all.
func (m *member) judge(from status) (refused string) {
	st := m.node.State()
	switch {
	case from.ID == "" || from.Address == "" || from.Boot == "":
		return "a member without a name or address"
	case from.Begun && from.Group != m.group():
		return fmt.Sprintf("the record of member %q belongs to another cluster; join with an empty folder", from.ID)
	case from.Level < st.Level:
		return fmt.Sprintf("the record needs level %d, the novaplan of member %q supports %d: install a newer one there", st.Level, from.ID, from.Level)
	case from.ID == m.ID:
		return fmt.Sprintf("the member at %s calls itself %q too", m.Network.Address(), from.ID)
	}
	return ""
}

// place puts a newcomer into the configuration, where it begins without a vote. What is there of it from before
// goes first: a member that lost its log must not vote on the strength of what it once was.
func (m *member) place(ctx context.Context, from status) (refused string, err error) {
	n := m.node
	id, to := raft.ServerID(from.ID), raft.ServerAddress(from.Address)
	for _, s := range n.servers() {
		switch {
		case s.ID == from.ID && s.Address == from.Address && from.Group == m.group():
			return "", nil
		case s.ID == from.ID && s.Address != from.Address:
			if at, err := m.ask(ctx, s.Address, question{Kind: askStatus}); err == nil && at.Status.ID == from.ID && at.Status.Boot != from.Boot {
				return fmt.Sprintf("the member at %s is called %q already", s.Address, from.ID), nil
			}
			if from.Begun && s.Voter {
				return "", n.changed(ctx, n.raft.AddVoter(id, to, 0, m.rpc))
			}
			if from.Begun {
				return "", n.changed(ctx, n.raft.AddNonvoter(id, to, 0, m.rpc))
			}
		case s.ID != from.ID && s.Address != from.Address:
			continue
		}
		m.log.Info("removing what came before", "member", s.ID, "address", s.Address, "newcomer", from.ID)
		if err := n.changed(ctx, n.raft.RemoveServer(raft.ServerID(s.ID), 0, m.rpc)); err != nil {
			return "", err
		}
	}
	m.log.Info("adding", "member", from.ID, "address", from.Address)
	return "", n.changed(ctx, n.raft.AddNonvoter(id, to, 0, m.rpc))
}
