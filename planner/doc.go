// Package planner decides what has to be done so that the fleet becomes what the spec says.
//
// Compute is the whole of it: a pure function of the record, of what was observed on the hosts, and
// of a time. Preview, apply, simulation and what-if call the same function:
//
//	preview = Compute(Propose(state, spec, options), observed, now, options)
//
// and nothing else decides. The result is a Plan: what changes and why, what can't be placed and
// why, and the graph of operations that Approve commits.
package planner
