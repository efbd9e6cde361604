package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
)

// Submitted is a plan that has to wait for somebody's word.
type Submitted struct {
	planner.Approval          // what would be approved; its spec is sealed
	Summary          string   // for people, such as "2 instances to create, 1 to terminate"
	Why              []string // it waits, a clause each; see planner.Judge
	Folder           string   // that the spec was read from
}

// Submit keeps a plan in the record until it is approved or dropped, in place of what waited for the same stack, and
// returns its id. The same plan gets the same id, so submitting it again changes nothing. A record whose level doesn't
// know waiting plans refuses with state.NotReady.
func (c *Controller) Submit(ctx context.Context, s Submitted) (string, error) {
	if err := c.leading(); err != nil {
		return "", err
	}
	manifest, chunks, err := state.EncodeSpec(s.Spec)
	if err != nil {
		return "", fmt.Errorf("submit: %w", err)
	}
	if err := c.put(ctx, chunks); err != nil {
		return "", err
	}
	manifest.Message, manifest.Commit, manifest.By = s.Message, s.Commit, s.By
	id := submittedID(manifest.Digest, s.Digest)
	err = c.commit(ctx, state.Command{SubmitPlan: &state.SubmitPlan{Request: s.Request, Plan: state.PendingPlan{
		ID: id, Manifest: *manifest, Base: s.Base, Digest: s.Digest, Summary: s.Summary, Why: s.Why, From: s.Folder, By: s.By,
	}}})
	if err != nil {
		return "", fmt.Errorf("submit: %w", err)
	}
	return id, nil
}

func submittedID(manifest, plan string) string {
	sum := sha256.Sum256([]byte(manifest + "\n" + plan))
	return hex.EncodeToString(sum[:4])
}

// Drop forgets a plan that waits. One that doesn't wait any more is no mistake.
func (c *Controller) Drop(ctx context.Context, id, reason, by string) error {
	if _, waits := c.rec.State().Plans.Get(id); !waits {
		return nil
	}
	err := c.commit(ctx, state.Command{DropPlan: &state.DropPlan{ID: id, Reason: reason, By: by}})
	if refused := refusalOf(err); refused != nil && refused.Code == state.Unknown {
		return nil
	}
	return err
}
