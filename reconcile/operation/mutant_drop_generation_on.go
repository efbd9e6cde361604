//go:build mutant_drop_generation

package operation

// dropGenerationCheck is a bug planted on purpose, to show that the simulation finds it; see docs/simulation.md.
// Any definition of the guest is taken for the one that was to be made, whatever its generation.
const dropGenerationCheck = true
