package operation

import (
	"context"
	"crypto/rand"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// A move between local pools makes its files under names that no file had before or will have again. Each try takes
// a token of its own and commits it before it makes anything, so whoever goes on knows what there may be. A call that
// was meant for an earlier try or an earlier move, and comes late, finds nothing that is called so.

// The steps that a try commits, each followed by its token.
const (
	triedStep  = "files "  // files of this token may exist at the destination
	copiedStep = "copied " // and they are whole
)

// tries returns the tokens of the tries at this destination, the latest last. A move that an earlier version began
// has none: its files have the source's names.
func (j *Job) tries() []string {
	var tokens []string
	for _, step := range j.op.Steps {
		if token, ok := strings.CutPrefix(step, triedStep); ok {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// newTry begins a try. Its token is random, for no counter survives a lost record.
func (j *Job) newTry(ctx context.Context) error {
	return j.record(ctx, triedStep+strings.ToLower(rand.Text()[:10]))
}

// try makes the destination's files anew: one for each disk, under names of their own.
func (j *Job) try(ctx context.Context, each func(from, to state.Disk) error) error {
	if err := j.dropTries(ctx, 0); err != nil {
		return err
	}
	if err := j.newTry(ctx); err != nil {
		return err
	}
	for i, to := range j.disksThere() {
		if err := each(j.inst.Disks[i], to); err != nil {
			return err
		}
	}
	return nil
}

// disksThere returns the instance's disks as the latest try names them at the destination, in the same order.
func (j *Job) disksThere() []state.Disk {
	tokens := j.tries()
	if len(tokens) == 0 {
		return j.inst.Disks
	}
	return j.disksOf(tokens[len(tokens)-1])
}

// disksOf returns the instance's disks as a try names them.
func (j *Job) disksOf(token string) []state.Disk {
	disks := slices.Clone(j.inst.Disks)
	for i := range disks {
		d := &disks[i]
		d.Path = path.Join(j.inst.Pool.Path, disk.MovedName(j.inst.UUID, hypervisor.DiskRole(d.Role), j.inst.Generation+1, token, d.Format))
	}
	return disks
}

// hasDisksThere reports whether a domain has the disks that the latest try made.
func (j *Job) hasDisksThere(d *hypervisor.Domain) bool {
	return len(j.tries()) == 0 || !slices.ContainsFunc(j.disksThere(), func(want state.Disk) bool { return !slices.Contains(d.Disks, want.Path) })
}

// dropTries deletes what the tries made at the destination, but for the latest keep of them.
func (j *Job) dropTries(ctx context.Context, keep int) error {
	tokens := j.tries()
	for _, token := range tokens[:max(0, len(tokens)-keep)] {
		if err := j.dropDisks(ctx, j.op.To, j.disksOf(token)); err != nil {
			return err
		}
		if err := j.dropVolume(ctx, j.op.To, j.probe(token)); err != nil {
			return err
		}
	}
	return nil
}

// mendConfig brings a config drive to the destination that is missing there. It is the first to go when a move is
// undone, so a guest that arrived in that moment has none.
func (j *Job) mendConfig(ctx context.Context) error {
	for i, to := range j.disksThere() {
		if to.Role != string(hypervisor.DiskConfig) {
			continue
		}
		dest, err := j.storage(ctx, j.op.To)
		if err != nil {
			return err
		}
		_, err = dest.GetVolume(ctx, j.pool(), path.Base(to.Path))
		if errors.Is(err, hypervisor.ErrNotFound) {
			err = j.copyVolume(ctx, path.Base(j.inst.Disks[i].Path), path.Base(to.Path))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
