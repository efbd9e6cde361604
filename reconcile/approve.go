package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/observe"
	"github.com/novaplan/novaplan/spec"
)

// inlineOperations is how many operations ride in the approving command itself.
const inlineOperations = 32

// ErrBlocked says that a plan has an error that forbids to approve any of it.
var ErrBlocked = errors.New("the plan can't be approved, even in part")

// Approve looks and computes again, and commits the plan when it is the one that was seen. Otherwise
// nothing is committed, and the answer holds the new plan. What it started goes on after ctx ends.
func (c *Controller) Approve(ctx context.Context, a planner.Approval) (planner.Approved, error) {
	if err := c.leading(); err != nil {
		return planner.Approved{}, err
	}
	c.approving.Lock()
	defer c.approving.Unlock()
	before := c.rec.State()
	if first, ok := before.RequestByID(a.Request); ok && first.Digest == a.Digest {
		c.pulse.beat()
		return planner.Approved{Repeated: true, Revision: first.Revision, Operations: before.OperationsOf(a.Request)}, nil
	}
	return c.approve(ctx, a, before, func() (*planner.Plan, *planner.Observed, state.State, error) {
		return c.compute(ctx, a.Spec, a.Options)
	})
}

// approve commits what compute comes to, when it is the plan that was seen. The caller holds c.approving.
func (c *Controller) approve(ctx context.Context, a planner.Approval, before state.State,
	compute func() (*planner.Plan, *planner.Observed, state.State, error)) (planner.Approved, error) {
	plan, seen, proposed, err := compute()
	if err != nil {
		return planner.Approved{}, err
	}
	stale := planner.Approved{Plan: plan, Stale: true, Revision: c.rec.State().Revision}
	if plan.Base != a.Base || plan.Digest != a.Digest {
		return stale, nil
	}
	if why := plan.Blocked(); why != nil {
		return planner.Approved{}, fmt.Errorf("%w: %s", ErrBlocked, why.Summary)
	}
	if err := c.recordInventory(ctx, seen, proposed); err != nil {
		return planner.Approved{}, err
	}
	command, err := c.approval(ctx, a, plan, proposed)
	if err != nil {
		return planner.Approved{}, err
	}
	if command != nil {
		err = c.commit(ctx, state.Command{Approve: command})
	}
	var refused *state.Refusal
	if errors.As(err, &refused) && refused.Code == state.Stale {
		c.log.Info("approval is stale", "request", a.Request, "why", refused.Message)
		return stale, nil
	}
	if err != nil {
		return planner.Approved{}, fmt.Errorf("approve: %w", err)
	}
	if err := c.freeze(ctx, before, plan.Freeze); err != nil {
		return planner.Approved{}, err
	}
	c.pulse.beat()
	c.log.Info("approved", "request", a.Request, "operations", len(plan.Operations), "by", a.By)
	return planner.Approved{Plan: plan, Revision: c.rec.State().Revision, Operations: c.toFollow(plan)}, nil
}

// approval builds the approving command, with its chunks put before it. It is nil when there is
// nothing to commit.
func (c *Controller) approval(ctx context.Context, a planner.Approval, plan *planner.Plan, proposed state.State) (*state.Approve, error) {
	command := &state.Approve{
		Base: a.Base, PlanDigest: plan.Digest, Cancel: plan.Cancel, By: a.By, Request: a.Request,
		Stack: proposed.Desired.Spec.Stack,
	}
	if c.rec.State().Level >= state.LevelServed {
		command.From, command.Plan = a.Origin, a.Pending
	}
	manifest, err := c.manifest(ctx, a, proposed.Desired.Spec)
	if err != nil {
		return nil, err
	}
	command.Manifest = manifest
	if manifest == nil && len(plan.Operations) == 0 && len(plan.Cancel) == 0 && command.Plan == "" {
		return nil, nil
	}
	if len(plan.Operations) <= inlineOperations {
		command.Operations = plan.Operations
		return command, nil
	}
	chunks, err := state.EncodeOperations(plan.Operations)
	if err != nil {
		return nil, fmt.Errorf("approve: %w", err)
	}
	for _, chunk := range chunks {
		command.OperationChunks = append(command.OperationChunks, chunk.Digest)
	}
	return command, c.put(ctx, chunks)
}

// manifest stores the proposed spec and returns its manifest, nil when it is the one in force.
func (c *Controller) manifest(ctx context.Context, a planner.Approval, proposed *spec.Spec) (*state.Revision, error) {
	if a.Spec == nil && !a.Options.Destroy {
		return nil, nil
	}
	manifest, chunks, err := state.EncodeSpec(proposed)
	if err != nil {
		return nil, fmt.Errorf("approve: %w", err)
	}
	st := c.rec.State()
	if current, ok := st.RevisionByNumber(st.Revision); ok && current.Digest == manifest.Digest {
		return nil, nil
	}
	manifest.Message, manifest.Commit, manifest.By = a.Message, a.Commit, a.By
	return manifest, c.put(ctx, chunks)
}

// put stores the chunks that the record doesn't have.
func (c *Controller) put(ctx context.Context, chunks []state.Chunk) error {
	st := c.rec.State()
	var commands []state.Command
	for _, chunk := range chunks {
		if _, ok := st.Chunks.Get(chunk.Digest); !ok {
			commands = append(commands, state.Command{PutChunk: &state.PutChunk{Digest: chunk.Digest, Data: chunk.Data}})
		}
	}
	if err := c.commitAll(ctx, commands); err != nil {
		return fmt.Errorf("store the plan: %w", err)
	}
	return nil
}

// recordInventory commits what is new about the hosts that were seen, so that operations may start. A host
// that the approval gives a new address is left alone: a record under that address would be in its way.
func (c *Controller) recordInventory(ctx context.Context, seen *planner.Observed, proposed state.State) error {
	st := c.rec.State()
	var commands []state.Command
	for address, h := range seen.Hosts {
		recorded, before := st.Hosts.Get(string(address))
		if _, after := proposed.Hosts.Get(string(address)); before != after {
			continue
		}
		if before && recorded.Claimed && !h.Claimed && h.Inventory.Owner == "" {
			continue // our claim is gone: only to claim it again, or to let it go, changes that in the record
		}
		name := c.hostName(proposed, address)
		if h.Reachable && observe.Changed(recorded, name, h) && !planner.Replaced(st, address, h.Inventory) {
			commands = append(commands, state.Command{SetInventory: &state.SetInventory{
				Host: address, Name: name, Inventory: h.Inventory, Claimed: h.Claimed,
			}})
		}
		if recorded != nil && recorded.Unread && !planner.Unread(st, address, h) {
			commands = append(commands, state.Command{Survey: &state.Survey{Read: []spec.Address{address}}})
		}
	}
	if err := c.commitAll(ctx, commands); err != nil {
		return fmt.Errorf("record inventories: %w", err)
	}
	return nil
}

// freeze records instances whose place can't be known. A look takes a while: what was being worked on since it
// began was seen half-way, which says nothing.
func (c *Controller) freeze(ctx context.Context, before state.State, freezes []state.Freeze) error {
	for i := range freezes {
		if now := c.rec.State(); !untouched(before, now, freezes[i].Instance) {
			continue
		}
		err := c.commit(ctx, state.Command{Freeze: &freezes[i]})
		var refused *state.Refusal
		if err != nil && !errors.As(err, &refused) {
			return fmt.Errorf("freeze %s: %w", freezes[i].Instance, err)
		}
	}
	return nil
}

// untouched reports whether nothing was done to an instance between two states, or is under way.
func untouched(before, now state.State, address spec.Address) bool {
	then, _ := before.Instances.Get(string(address))
	inst, _ := now.Instances.Get(string(address))
	return then == inst && before.Busy(address) == nil && now.Busy(address) == nil
}

// toFollow lists the plan's operations and those that were under way.
func (c *Controller) toFollow(plan *planner.Plan) []string {
	var ids []string
	known := map[string]bool{}
	for i := range plan.Operations {
		ids = append(ids, plan.Operations[i].ID)
		known[plan.Operations[i].ID] = true
	}
	for id, op := range c.rec.State().Operations.All() {
		if !op.Phase.Final() && !known[id] {
			ids = append(ids, id)
		}
	}
	return ids
}
