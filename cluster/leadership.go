package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"

	"github.com/novaplan/novaplan/cluster/state"
)

// leadership is one time of being the leader.
type leadership struct {
	term uint64
	lost chan struct{}
}

// watchLeadership follows raft: being leader counts from the moment when everything committed before is
// applied and there is a record to lead.
func (n *Node) watchLeadership() {
	for {
		select {
		case <-n.down:
			n.lead(nil)
			return
		case leads := <-n.notify:
			n.lead(nil)
			if !leads || n.await(n.raft.Barrier(0)) != nil {
				continue
			}
			n.assume()
		}
	}
}

// assume begins a leadership, unless this term may not lead.
func (n *Node) assume() {
	term := n.raft.CurrentTerm()
	if st := n.State(); st.Term > term {
		// The record was restored from a cluster whose terms went further. Hosts know those as epochs.
		if err := n.raiseTerm(st.Term); err != nil {
			n.opts.Logger.Warn("raise the term", "above", st.Term, "error", err)
			_ = n.await(n.raft.LeadershipTransfer())
		}
		return
	}
	if n.member != nil && n.State().Level == 0 {
		if err := n.beginRecord(); err != nil {
			n.opts.Logger.Warn("begin the record", "error", err)
		}
		if n.State().Level == 0 || n.raft.CurrentTerm() != term {
			return
		}
	}
	n.lead(&leadership{term: term, lost: make(chan struct{})})
}

func (n *Node) lead(next *leadership) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.leadership != nil {
		close(n.leadership.lost)
	}
	if n.member != nil && (next == nil) != (n.leadership == nil) {
		if next != nil {
			n.opts.Logger.Info("leading", "term", next.term)
		} else {
			n.opts.Logger.Info("leading no more", "term", n.leadership.term)
		}
	}
	n.leadership = next
	close(n.led)
	n.led = make(chan struct{})
}

// Leadership waits until this node leads. It returns the term, which is the epoch for Start, and a channel
// that is closed when that leadership ends. State is then at least as new as every command acknowledged
// before.
func (n *Node) Leadership(ctx context.Context) (term uint64, lost <-chan struct{}, err error) {
	for {
		n.mu.Lock()
		l, led, failed := n.leadership, n.led, n.err
		n.mu.Unlock()
		if failed != nil {
			return 0, nil, failed
		}
		if l != nil {
			return l.term, l.lost, nil
		}
		select {
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		case <-n.down:
		case <-led:
		}
	}
}

// leadingNow is Leadership for a node that raft has elected: it doesn't wait for another election.
func (n *Node) leadingNow(ctx context.Context) (term uint64, err error) {
	for {
		n.mu.Lock()
		l, led, failed := n.leadership, n.led, n.err
		n.mu.Unlock()
		switch {
		case failed != nil:
			return 0, failed
		case l != nil:
			return l.term, nil
		case n.raft.State() != raft.Leader:
			return 0, n.notLeader(raft.ErrNotLeader)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-n.down:
		case <-led:
		}
	}
}

// Term returns the term that this node leads in, 0 when it doesn't.
func (n *Node) Term() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.leadership == nil {
		return 0
	}
	return n.leadership.term
}

// raiseTerm makes the next leader's term higher than a given one and than the present one. It ends the
// present leadership. Any member may ask for a vote in any term; this one's is asked for by
// itself, as in a transfer, and as its log there is empty, it gets none: only the term stays.
func (n *Node) raiseTerm(above uint64) error {
	ask := &raft.RequestVoteRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(n.self.ID), Addr: n.trans.EncodePeer(n.self.ID, n.self.Address)},
		Term:      max(above, n.raft.CurrentTerm()) + 1, LeadershipTransfer: true,
	}
	var got raft.RequestVoteResponse
	if err := n.trans.RequestVote(n.self.ID, n.self.Address, ask, &got); err != nil {
		return fmt.Errorf("raise the term to %d: %w", ask.Term, err)
	}
	return nil
}

// awaitRecord waits for leadership and, in a new folder, begins the record.
func (n *Node) awaitRecord(ctx context.Context) error {
	if _, _, err := n.Leadership(ctx); err != nil {
		return err
	}
	st := n.State()
	if st.Level == 0 {
		if !n.opts.Create {
			return fmt.Errorf("%s: %w", n.dir, ErrNoRecord)
		}
		return n.beginRecord()
	}
	if n.opts.Mode != "" && st.Mode != n.opts.Mode {
		return fmt.Errorf("%s: %w: %s, not %s", n.dir, ErrMode, st.Mode, n.opts.Mode)
	}
	return n.raiseLevel(ctx, state.Level)
}

// beginRecord proposes the first command. Of two leaders that do, the second is refused.
func (n *Node) beginRecord() error {
	mode := n.opts.Mode
	if mode == "" {
		mode = state.Real
	}
	id := n.opts.ID
	if id == "" {
		id = uuid.NewString()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	result, err := n.Propose(ctx, state.Command{Bootstrap: &state.Bootstrap{
		ClusterID: id, Fleet: n.opts.Fleet, Mode: mode, Level: n.supports(),
	}})
	if err != nil {
		return err
	}
	if result.Refused != nil && n.State().Level == 0 {
		return result.Refused
	}
	return nil
}

// raiseLevel lets Apply behave as all members know it.
func (n *Node) raiseLevel(ctx context.Context, level uint32) error {
	if level <= n.State().Level {
		return nil
	}
	result, err := n.Propose(ctx, state.Command{RaiseLevel: &state.RaiseLevel{Level: level}})
	if err != nil {
		return err
	}
	if result.Refused != nil && n.State().Level < level {
		return result.Refused
	}
	return nil
}

// supports is the highest level that this member knows.
func (n *Node) supports() uint32 {
	if n.member != nil && n.member.level != 0 {
		return n.member.level
	}
	return state.Level
}

// handOver gives leadership to another member, if there is one.
func (n *Node) handOver() {
	if n.member == nil || n.raft == nil || n.Err() != nil || n.raft.State() != raft.Leader {
		return
	}
	if err := n.await(n.raft.LeadershipTransfer()); err != nil {
		n.opts.Logger.Info("nobody takes over", "error", err)
	}
}
