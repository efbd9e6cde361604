//go:build !mutant_trust_deadline

package operation

// trustDeadline is a bug planted on purpose, to show that the simulation finds it; see docs/simulation.md.
// A host that says nothing until patience ends is taken to hold nothing.
const trustDeadline = false
