package disk

import (
	"context"
	"sync"
)

// flights lets callers who want the same thing at once share one piece of work. The work goes on
// until it is done or all who wait for it have left.
type flights[K comparable, V any] struct {
	mu sync.Mutex
	on map[K]*flight[V]
}

// flight is one piece of work under way.
type flight[V any] struct {
	cancel  context.CancelFunc
	done    chan struct{}
	value   V
	err     error
	waiting map[int]Progress
	nextID  int
}

// do returns what work returns, for this caller and all others with the same key.
func (f *flights[K, V]) do(ctx context.Context, key K, progress Progress, work func(context.Context, Progress) (V, error)) (V, error) {
	fl, id := f.join(ctx, key, progress, work)
	defer f.leave(key, fl, id)
	select {
	case <-fl.done:
		return fl.value, fl.err
	case <-ctx.Done():
		var zero V
		return zero, ctx.Err()
	}
}

func (f *flights[K, V]) join(ctx context.Context, key K, progress Progress, work func(context.Context, Progress) (V, error)) (*flight[V], int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl := f.on[key]
	if fl == nil {
		fl = &flight[V]{done: make(chan struct{}), waiting: map[int]Progress{}}
		if f.on == nil {
			f.on = map[K]*flight[V]{}
		}
		f.on[key] = fl
		var own context.Context
		own, fl.cancel = context.WithCancel(context.WithoutCancel(ctx))
		go f.fly(own, key, fl, work)
	}
	fl.nextID++
	fl.waiting[fl.nextID] = progress
	return fl, fl.nextID
}

func (f *flights[K, V]) fly(ctx context.Context, key K, fl *flight[V], work func(context.Context, Progress) (V, error)) {
	defer fl.cancel()
	value, err := work(ctx, func(done, total int64) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, p := range fl.waiting {
			p.report(done, total)
		}
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.value, fl.err = value, err
	f.forget(key, fl)
	close(fl.done)
}

// leave ends the work when nobody waits for it any more. Who comes then starts anew.
func (f *flights[K, V]) leave(key K, fl *flight[V], id int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(fl.waiting, id)
	if len(fl.waiting) == 0 {
		fl.cancel()
		f.forget(key, fl)
	}
}

func (f *flights[K, V]) forget(key K, fl *flight[V]) {
	if f.on[key] == fl {
		delete(f.on, key)
	}
}
