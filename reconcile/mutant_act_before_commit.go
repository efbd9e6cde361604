//go:build !mutant_act_before_commit

package reconcile

// actBeforeCommit is a bug planted on purpose, to show that the simulation finds it; see docs/simulation.md.
// An operation is begun without knowing that its start is in the record.
const actBeforeCommit = false
