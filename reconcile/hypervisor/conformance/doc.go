// Package conformance is the one suite that every driver of the hypervisor port passes. What it checks is what the port's
// comments promise, and what callers may therefore rely on with real hosts and simulated ones alike.
//
// It uses guests with blank disks: they never get beyond their firmware, which is enough for all that a
// hypervisor does to a guest, and quick even without hardware virtualisation.
package conformance
