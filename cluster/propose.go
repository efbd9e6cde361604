package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/novaplan/novaplan/cluster/state"
)

// maxEntry is the largest log entry: a larger one delays heartbeats.
const maxEntry = 512 << 10

// Propose writes a command to the log and returns what became of it once it is durable and applied:
// a refusal is in Result. After an error, ctx's included, the command may or may not have
// been carried out: look at State.
func (n *Node) Propose(ctx context.Context, c state.Command) (state.Result, error) {
	results, err := n.ProposeAll(ctx, c)
	if err != nil {
		return state.Result{}, err
	}
	return results[0], nil
}

// ProposeAll is Propose for several commands in order, at the price of few: they share disk
// writes. Each is carried out or refused on its own.
func (n *Node) ProposeAll(ctx context.Context, commands ...state.Command) ([]state.Result, error) {
	entries, err := n.clock.encode(commands)
	if err != nil {
		return nil, err
	}
	if err := n.Err(); err != nil {
		return nil, err
	}
	type outcome struct {
		results []state.Result
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		results, err := n.write(entries)
		done <- outcome{results, err}
	}()
	select {
	case o := <-done:
		return o.results, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *Node) write(entries [][]byte) ([]state.Result, error) {
	futures := make([]raft.ApplyFuture, len(entries))
	for i, e := range entries {
		futures[i] = n.raft.Apply(e, 0)
	}
	results := make([]state.Result, len(entries))
	for i, f := range futures {
		if err := n.await(f); err != nil {
			return nil, n.proposalError(err)
		}
		switch r := f.Response().(type) {
		case state.Result:
			results[i] = r
		case error:
			return nil, r
		}
	}
	return results, nil
}

// proposalError says why raft did not take a command.
func (n *Node) proposalError(err error) error {
	if failed := n.Err(); failed != nil {
		return failed
	}
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrLeadershipTransferInProgress),
		errors.Is(err, raft.ErrAbortedByRestore):
		return n.notLeader(err)
	case errors.Is(err, raft.ErrRaftShutdown):
		return ErrClosed
	}
	return err
}

// notLeader says who leads instead, or what is missing.
func (n *Node) notLeader(cause error) error {
	id, address := n.Leader()
	switch {
	case n.member == nil || id == string(n.self.ID):
		return fmt.Errorf("%w: %w", ErrNotLeader, cause)
	case id == "":
		return &leaderless{missing: n.member.missing()}
	}
	return fmt.Errorf("%w: %s at %s: %w", ErrNotLeader, id, address, cause)
}

// Wait returns when the record is at least as new as index, which a Result names.
func (n *Node) Wait(ctx context.Context, index uint64) error {
	return n.wait(ctx, index, n.down, n.Err)
}

func (r *record) wait(ctx context.Context, index uint64, down <-chan struct{}, why func() error) error {
	for {
		changes := r.Changes()
		if r.State().Index >= index {
			return nil
		}
		select {
		case <-changes:
		case <-down:
			return why()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// clock stamps entries and notices when the wall clock steps away from the monotonic one.
type clock struct {
	now  func() time.Time
	mu   sync.Mutex
	last time.Time
}

// encode makes log entries of commands.
func (c *clock) encode(commands []state.Command) ([][]byte, error) {
	at, stepped := c.read()
	entries := make([][]byte, len(commands))
	for i, command := range commands {
		data, err := state.EncodeCommand(state.Entry{At: at, ClockStepped: stepped && i == 0, Command: command})
		if err != nil {
			return nil, err
		}
		if len(data) > maxEntry {
			return nil, fmt.Errorf("%w: %d bytes, the most is %d", ErrTooLarge, len(data), maxEntry)
		}
		entries[i] = data
	}
	return entries, nil
}

func (c *clock) read() (now time.Time, stepped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now = c.now()
	if !c.last.IsZero() {
		stepped = diverged(now.Round(0).Sub(c.last.Round(0)), now.Sub(c.last))
	}
	c.last = now
	return now, stepped
}

// diverged tells whether the wall clock went elsewhere than the monotonic one in the same while.
func diverged(wall, monotonic time.Duration) bool {
	return (wall - monotonic).Abs() > state.MaxClockJump
}
