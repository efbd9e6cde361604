package operation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// Job is one run of one operation in one epoch. It is used by one goroutine.
type Job struct {
	world   *World
	times   Times
	log     *slog.Logger
	aborted <-chan struct{} // closed when somebody wants it to end; may be nil

	op      state.Operation
	inst    *state.Instance // working copy; nil for operations on hosts
	desired *state.Desired
	cluster string
	fleet   string
	resumed bool // another epoch began it: anything may have happened already

	claims map[spec.Address]bool
	begun  map[string]bool // steps whose work may have reached a host
	hosts  map[spec.Address]hypervisor.Host

	backing hypervisor.VolumeSpec // of a create: what its root disk is an overlay of
}

// NewJob prepares a run of op, which must be running or revoking in the current epoch. aborted may
// be nil.
func NewJob(world *World, op state.Operation, resumed bool, aborted <-chan struct{}) (*Job, error) {
	st := world.Record.State()
	j := &Job{
		world: world, times: world.Times.orDefault(), aborted: aborted,
		op: op, desired: st.Desired, cluster: st.ClusterID, fleet: st.Fleet, resumed: resumed,
		claims: map[spec.Address]bool{}, begun: map[string]bool{}, hosts: map[spec.Address]hypervisor.Host{},
	}
	j.log = world.Log.With("request", op.Request, "operation", op.ID, "action", string(op.Action), "instance", string(op.Instance))
	if op.Instance == "" {
		return j, nil
	}
	inst, err := instanceOf(st, op)
	if err != nil {
		return nil, err
	}
	j.inst = inst
	return j, nil
}

// instanceOf returns a copy of the record that op works on.
func instanceOf(st state.State, op state.Operation) (*state.Instance, error) {
	recorded, found := st.Instances.Get(string(op.Instance))
	switch {
	case op.Action == state.Create && found && recorded.UUID == buildUUID(op):
		return buildOf(op, recorded), nil
	case op.Action == state.Create && op.Build != nil:
		return buildOf(op, op.Build), nil
	case found && (op.Action == state.Redefine || op.Action == state.Rebuild) && op.Build != nil:
		wanted := *op.Build
		wanted.Generation = recorded.Generation
		return &wanted, nil
	case found:
		c := *recorded
		return &c, nil
	}
	return nil, fmt.Errorf("%w: %s is not in the record", ErrInvalid, op.Instance)
}

func buildUUID(op state.Operation) string {
	if op.Build == nil {
		return ""
	}
	return op.Build.UUID
}

// buildOf returns the record that a create makes. Each further host gets a higher generation, so
// that whatever a call to an earlier one still brings about is known to be stale.
func buildOf(op state.Operation, known *state.Instance) *state.Instance {
	c := *known
	c.Host = op.To
	c.Generation = 1 + uint64(len(op.Tried))
	return &c
}

// did reports whether the step was committed, in this epoch or before.
func (j *Job) did(step string) bool { return slices.Contains(j.op.Steps, step) }

// host returns the host for reading, with a deadline on each call.
func (j *Job) host(ctx context.Context, address spec.Address) (hypervisor.Host, error) {
	if h := j.hosts[address]; h != nil {
		return h, nil
	}
	h, err := j.world.Hosts.Host(ctx, address)
	if err != nil {
		return nil, err
	}
	h = Timed(h, j.times)
	j.hosts[address] = h
	return h, nil
}

// claimed returns the host for changing it: our claim was read there in this step, for a long one before may have
// given another cluster time to take the host over.
func (j *Job) claimed(ctx context.Context, address spec.Address) (hypervisor.Host, error) {
	h, err := j.host(ctx, address)
	if err != nil || j.claims[address] {
		return h, err
	}
	if err := j.ensureClaim(ctx, address, h); err != nil {
		return nil, err
	}
	j.claims[address] = true
	return h, nil
}

// ensureClaim makes the host ours, unless another cluster or a later epoch of ours has it.
func (j *Job) ensureClaim(ctx context.Context, address spec.Address, h hypervisor.Host) error {
	claim, err := h.GetClaim(ctx)
	switch {
	case errors.Is(err, hypervisor.ErrNotFound):
	case err != nil:
		return err
	case claim.Cluster != j.cluster:
		return fmt.Errorf("%w: %w: %s belongs to fleet %q (cluster %s): takeover is a command of its own",
			ErrForeign, hypervisor.ErrClaimed, j.hostName(address), claim.Fleet, claim.Cluster)
	case claim.Epoch > j.op.Epoch:
		return fmt.Errorf("%w: %s was claimed by epoch %d after %d", ErrLost, j.hostName(address), claim.Epoch, j.op.Epoch)
	case claim.Epoch == j.op.Epoch:
		return nil
	}
	if err := j.leads(); err != nil {
		return err
	}
	if err := j.sameMachine(ctx, address, h); err != nil {
		return err
	}
	return h.SetClaim(ctx, hypervisor.Claim{Cluster: j.cluster, Fleet: j.fleet, Epoch: j.op.Epoch, Endpoint: j.world.Endpoint})
}

// sameMachine refuses to claim a machine that stands in the place of the recorded one: it has neither its guests
// nor its disks.
func (j *Job) sameMachine(ctx context.Context, address spec.Address, h hypervisor.Host) error {
	recorded, ok := j.world.Record.State().Hosts.Get(string(address))
	if !ok || recorded.Inventory.UUID == "" {
		return nil
	}
	info, err := h.HostInfo(ctx)
	if err != nil {
		return err
	}
	if info.UUID != recorded.Inventory.UUID {
		return fmt.Errorf("%w: %s answers as another machine: its UUID was %s and is %s", ErrForeign, j.hostName(address), recorded.Inventory.UUID, info.UUID)
	}
	return nil
}

// leads verifies that this process still leads the epoch of the operation.
func (j *Job) leads() error {
	if term := j.world.Record.Term(); term != j.op.Epoch {
		return fmt.Errorf("%w: epoch %d is over, it is %d", ErrLost, j.op.Epoch, term)
	}
	return nil
}

// commit proposes a command that must take effect.
func (j *Job) commit(ctx context.Context, command state.Command) error {
	result, err := j.world.Record.Propose(ctx, command)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	if result.Refused != nil {
		return fmt.Errorf("%w: %w", ErrLost, result.Refused)
	}
	return nil
}

// wait pauses for d, unless the job ends before.
func (j *Job) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-j.aborted:
		return ErrAborted
	}
}

// stopped reports whether somebody asked the job to end.
func (j *Job) stopped() bool {
	select {
	case <-j.aborted:
		return true
	default:
		return false
	}
}

// report tells what the job does now.
func (j *Job) report(p planner.Progress) {
	if j.world.Report == nil {
		return
	}
	p.At, p.Operation = time.Now(), j.op
	j.world.Report(p)
}

// transfer returns a callback that reports the bytes of a transfer, with its rate.
func (j *Job) transfer(what string) Progress {
	began := time.Now()
	return func(done, total int64) {
		p := planner.Progress{Step: what, Done: done, Total: total}
		if s := time.Since(began).Seconds(); s > 0 {
			p.Rate = int64(float64(done) / s)
		}
		j.report(p)
	}
}

// hostName returns what people call the host.
func (j *Job) hostName(address spec.Address) string {
	if j.desired != nil {
		if h := j.desired.Index.Hosts[address]; h != nil {
			return h.Name
		}
	}
	return address.Short()
}

// pool returns the pool of the instance's disks.
func (j *Job) pool() hypervisor.Pool {
	return hypervisor.Pool{Path: j.inst.Pool.Path, Shared: j.inst.Pool.Shared}
}
