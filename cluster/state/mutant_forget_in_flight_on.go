//go:build mutant_forget_in_flight

package state

// forgetInFlight is a bug planted on purpose, to show that the simulation finds it; see docs/simulation.md.
// Guests on their way count nowhere but where they are.
const forgetInFlight = true
