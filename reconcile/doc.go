// Package reconcile makes what exists equal to what was approved: the controller, its loop, and the
// ports through which it is wired.
//
// The controller looks at hosts (package observe), lets the planner compute, commits what somebody
// approved, and carries out the operations that the record holds (packages operation and recovery). It
// keeps nothing that it could not lose: everything that matters is in the record or on the hosts.
//
// One rule orders the rest: the record first, then the host. An operation is started in the record
// under the epoch of this leader before anything happens on a host, and it ends in the record only
// after the hosts were read back.
package reconcile
