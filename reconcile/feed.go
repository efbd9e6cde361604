package reconcile

import (
	"context"
	"sync"

	"github.com/novaplan/novaplan/planner"
)

// backlog is how many pieces of mere progress a slow follower may have waiting.
const backlog = 256

// feed tells followers what happens to operations.
type feed struct {
	mu        sync.Mutex
	followers map[*follower]struct{}
}

type follower struct {
	wake    chan struct{}
	waiting []planner.Progress
}

func newFeed() *feed { return &feed{followers: map[*follower]struct{}{}} }

// send passes p to all followers without waiting for any. Progress is dropped where too much of it
// waits; the end of an operation never is.
func (f *feed) send(p planner.Progress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for x := range f.followers {
		if len(x.waiting) >= backlog && !p.Operation.Phase.Final() {
			continue
		}
		x.waiting = append(x.waiting, p)
		select {
		case x.wake <- struct{}{}:
		default:
		}
	}
}

// follow returns a channel of what is sent from now on.
func (f *feed) follow(ctx context.Context) <-chan planner.Progress {
	x := &follower{wake: make(chan struct{}, 1)}
	f.mu.Lock()
	f.followers[x] = struct{}{}
	f.mu.Unlock()
	out := make(chan planner.Progress, 16)
	go func() {
		defer close(out)
		defer f.leave(x)
		for {
			select {
			case <-x.wake:
			case <-ctx.Done():
				return
			}
			for _, p := range f.take(x) {
				select {
				case out <- p:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

func (f *feed) take(x *follower) []planner.Progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	waiting := x.waiting
	x.waiting = nil
	return waiting
}

func (f *feed) leave(x *follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.followers, x)
}
