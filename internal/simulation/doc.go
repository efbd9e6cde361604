// Package simulation runs a whole cluster in virtual time and looks for a promise that is broken: three or
// five members with a durable log each, a controller that works wherever one of them leads, and simulated
// hypervisors that hold the truth. Its tests are all there is; docs/simulation.md says what is simulated,
// what is checked, and how a seed is repeated.
package simulation
