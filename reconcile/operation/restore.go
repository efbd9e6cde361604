package operation

import (
	"context"
	"fmt"
)

// restoreSteps define and start an instance again from its recorded disks, because its domain is
// missing from its host.
func restoreSteps() []Step {
	return []Step{
		{Name: "look", Does: "Read the host's claim, and that no other domain has the instance's UUID.", Is: nothingForeign, Do: nothing},
		{Name: "disks", Does: "Check that every recorded disk is there.", Is: allDisks, Do: disksMissing},
		{Name: "define", Does: "Define the domain with its stamp, and commit that it is defined.",
			Is: isDefined, Do: define, Undo: removeHere, Committed: true},
		{Name: "start", Does: "Verify leadership, then start by UUID.", Is: startedAsWanted, Do: start},
		{Name: "verify", Does: "Read back that it runs.", Is: startedAsWanted, Do: verifyRuns},
	}
}

func allDisks(ctx context.Context, j *Job) (bool, error) {
	return j.hasVolumes(ctx, j.inst.Host, j.inst.Disks)
}

func disksMissing(_ context.Context, j *Job) error {
	return fmt.Errorf("%w: disks of %s are missing in %s on %s; terminate it, or bring them back",
		ErrInvalid, j.inst.Address, j.inst.Pool.Path, j.hostName(j.inst.Host))
}
