package libvirt

import (
	"context"
	"errors"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// errHeld says that libvirt could not tell of a domain's job, because something else has the domain's lock.
var errHeld = errors.New("the domain is held")

// jobQuestions are the questions for domains' jobs that were not answered yet. libvirt answers one when it has the
// domain's lock, and waits 30 s for that. It takes five requests of a connection at a time: questions that pile up
// for one domain would shut out all others.
type jobQuestions struct {
	mu    sync.Mutex
	since map[golibvirt.UUID]time.Time // when the oldest was asked
	open  map[golibvirt.UUID]int
}

// ask notes a question, unless an earlier one has been waiting for too long.
func (q *jobQuestions) ask(id golibvirt.UUID, patience time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open[id] > 0 && time.Since(q.since[id]) >= patience {
		return false
	}
	if q.open == nil {
		q.since, q.open = map[golibvirt.UUID]time.Time{}, map[golibvirt.UUID]int{}
	}
	if q.open[id]++; q.open[id] == 1 {
		q.since[id] = time.Now()
	}
	return true
}

func (q *jobQuestions) answered(id golibvirt.UUID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open[id]--; q.open[id] == 0 {
		delete(q.open, id)
		delete(q.since, id)
	}
}

// jobSoon is job that waits for a short while only: a domain that somebody holds must not make its whole host
// look dead. errHeld says that it is held.
func (h *host) jobSoon(ctx context.Context, dom golibvirt.Domain) (job, error) {
	soon, cancel := context.WithTimeout(ctx, h.opts.JobTimeout)
	defer cancel()
	found, err := ask(soon, h, func(rpc *golibvirt.Libvirt) (job, error) {
		if !h.asked.ask(dom.UUID, h.opts.JobTimeout) {
			return job{}, errHeld
		}
		defer h.asked.answered(dom.UUID)
		return jobOn(rpc, dom)
	})
	var lost *lostError
	switch {
	case errors.Is(err, errHeld), saidCode(err, golibvirt.ErrOperationTimeout):
		return job{}, errHeld
	case errors.As(err, &lost) && ctx.Err() == nil && soon.Err() != nil:
		return job{}, errHeld
	}
	return found, err
}
