//go:build mutant_place_before_revoke

package operation

// placeBeforeRevoke is a bug planted on purpose, to show that the simulation finds it; see docs/simulation.md.
// What failed is tried on another host before it is undone.
const placeBeforeRevoke = true
