// Package drift says what on a host is not as the record has it though nobody asked for it, and what
// becomes of that: it is mended, reported or ignored, by kind.
//
// Like the planner it is pure. Finding looks at one host at a time, so that a fleet can be looked at
// continuously at the price of what changed; what is to be done about a finding only planner.Compute
// says.
package drift
