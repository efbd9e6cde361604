//go:build mutant_ignore_higher

package operation

// ignoreHigherGeneration is a bug planted on purpose, to show that the simulation finds it; see docs/simulation.md.
// A domain that is ahead of the record is worked on.
const ignoreHigherGeneration = true
