package operation

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// coldSteps move a guest that is off, or is switched off for it. The source's definition goes
// before the destination's is started, its disks only when the guest is at the destination.
func coldSteps() []Step {
	return []Step{
		{Name: "look", Does: "Read both hosts' claims and look at both ends.", Is: movableCold, Do: nothing},
		apartStep(),
		{Name: "was-on", Does: "Commit that the guest ran, when it did, so that it runs again whatever happens.",
			Is: notRunning, Do: nothing, Committed: false, Undo: runAgain},
		{Name: "shutdown", Does: "Press the ACPI power button, again until the shutdown timeout.", Is: isOff,
			Do: func(ctx context.Context, j *Job) error { return j.shutdown(ctx) }},
		{Name: "cut", Does: "Cut the power of a guest that did not listen.", Is: isOff, Do: cutHere},
		{Name: "copy", Does: "For a local pool: copy the disks under new names, and compare what both ends read.", Is: copied, Do: copyDisks,
			Undo: dropPrepared, Committed: true},
		{Name: "define", Does: "Define it at the destination with the next generation, and commit that.",
			Is: definedThere, Do: defineThere, Undo: removeThere, Committed: true},
		{Name: "moved", Does: "Remove the source's definition, read back that it is gone, and commit that.",
			Do: leaveSource, Committed: true, Final: true},
		{Name: "start", Does: "Verify leadership and start it at the destination, when it ran before.", Is: runsThere, Do: startThere},
		{Name: "clean", Does: "For a local pool: delete the source's copies.", Do: cleanSource},
	}
}

// movableCold is movable, and what both ends look like must make sense.
func movableCold(ctx context.Context, j *Job) (bool, error) {
	if ok, err := movable(ctx, j); err != nil || !ok {
		return ok, err
	}
	verdict, err := j.ends(ctx)
	if err != nil {
		return false, err
	}
	if verdict == Undo {
		return false, fmt.Errorf("%w: %s is neither off nor running at %s", ErrInvalid, j.inst.Address, j.hostName(j.op.From))
	}
	return true, nil
}

// notRunning commits "was-on" for a running guest; that it is committed says that it ran.
func notRunning(ctx context.Context, j *Job) (bool, error) {
	if j.did("was-on") {
		return true, nil
	}
	p, err := j.power(ctx, j.op.From)
	if err != nil || !p.Active() {
		return err == nil, err
	}
	return true, j.record(ctx, "was-on")
}

// runAgain starts a guest that was switched off for a move that failed.
func runAgain(ctx context.Context, j *Job) error {
	if !j.did("was-on") {
		return nil
	}
	if p, err := j.power(ctx, j.op.From); err != nil || p.Active() || p == "" {
		return err
	}
	return j.boot(ctx)
}

// copied reports that the latest try's files are whole, and still there: an undo that a crash broke off may have begun
// to delete them.
func copied(ctx context.Context, j *Job) (bool, error) {
	tokens := j.tries()
	switch {
	case j.inst.Pool.Shared || j.did("moved"):
		return true, nil
	case len(tokens) == 0:
		return j.did("copy"), nil
	case !j.did(copiedStep + tokens[len(tokens)-1]):
		return false, nil
	}
	return j.hasVolumes(ctx, j.op.To, j.disksThere())
}

func copyDisks(ctx context.Context, j *Job) error {
	if err := j.prepareBacking(ctx); err != nil {
		return err
	}
	err := j.try(ctx, func(from, to state.Disk) error {
		return j.copyVolume(ctx, path.Base(from.Path), path.Base(to.Path))
	})
	if err != nil {
		return err
	}
	tokens := j.tries()
	return j.record(ctx, copiedStep+tokens[len(tokens)-1])
}

func definedThere(ctx context.Context, j *Job) (bool, error) {
	d, err := j.own(ctx, j.op.To, j.inst.Generation+1)
	return err == nil && d != nil && (dropGenerationCheck || d.Stamp.Generation == j.inst.Generation+1) && j.hasDisksThere(d), err
}

func defineThere(ctx context.Context, j *Job) error {
	moved := j.movedRecord()
	def, err := j.definition(&moved)
	if err != nil {
		return err
	}
	h, err := j.claimed(ctx, j.op.To)
	if err != nil {
		return err
	}
	return h.DefineDomain(ctx, def)
}

func removeThere(ctx context.Context, j *Job) error {
	source, err := j.own(ctx, j.op.From, j.inst.Generation)
	if err != nil {
		return err
	}
	if source == nil { // leaveSource removes it only once the destination's stands on whole disks
		there, err := definedThere(ctx, j)
		if err != nil {
			return err
		}
		if there {
			return errArrived
		}
		return fmt.Errorf("%w: %s is gone from %s already", ErrFrozen, j.inst.Address, j.hostName(j.op.From))
	}
	return j.remove(ctx, j.op.To, j.inst.Generation+1)
}

// leaveSource removes the source's definition. From here on the guest belongs to the destination.
func leaveSource(ctx context.Context, j *Job) error {
	there, err := definedThere(ctx, j)
	if err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("%w: %s is not defined on %s", ErrFrozen, j.inst.Address, j.hostName(j.op.To))
	}
	d, err := j.own(ctx, j.op.From, j.inst.Generation)
	if err != nil || d == nil {
		return err
	}
	if d.Power.Active() {
		return fmt.Errorf("%s runs again on %s", d.Name, j.hostName(j.op.From))
	}
	h, err := j.claimed(ctx, j.op.From)
	if err != nil {
		return err
	}
	err = h.UndefineDomain(ctx, j.inst.UUID)
	if err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
		return err
	}
	if gone, err := j.own(ctx, j.op.From, j.inst.Generation); err != nil || gone == nil {
		return err
	}
	return fmt.Errorf("%s is still defined on %s", d.Name, j.hostName(j.op.From))
}

func runsThere(ctx context.Context, j *Job) (bool, error) {
	if !j.did("was-on") {
		return true, nil
	}
	d, err := j.own(ctx, j.op.To, j.inst.Generation+1)
	return err == nil && d != nil && d.Power == hypervisor.PowerRunning, err
}

func startThere(ctx context.Context, j *Job) error {
	if err := j.leads(); err != nil {
		return err
	}
	return j.act(ctx, j.op.To, func(h hypervisor.Host) error { return h.StartDomain(ctx, j.inst.UUID) })
}
