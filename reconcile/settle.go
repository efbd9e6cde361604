package reconcile

import (
	"context"
	"fmt"
)

// Settle returns when none of the operations will change any more: each has ended, waits for a host
// that says nothing, or can't start. It fails when ctx ends, or when the loop ends before.
func (c *Controller) Settle(ctx context.Context, ids []string) error {
	asked := c.rec.State().Index
	ran := false
	c.pulse.beat()
	for {
		now, changed := c.pulse.get()
		ran = ran || now.running
		ids = c.unfinished(ids)
		switch {
		case len(ids) == 0:
			return nil
		case now.running && now.idle && now.scanned >= asked:
			return nil
		case ran && !now.running:
			return fmt.Errorf("%w: the loop ended with %d operations open", ErrNotLeader, len(ids))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// unfinished cuts finished operations off the front: over all calls every id is looked at about
// once.
func (c *Controller) unfinished(ids []string) []string {
	st := c.rec.State()
	for len(ids) > 0 {
		if op, ok := st.Operations.Get(ids[0]); ok && !op.Phase.Final() {
			return ids
		}
		ids = ids[1:]
	}
	return ids
}
