// Package sim is the simulated driver: a World of hosts reached by sim:// URIs, whose domains, disks
// and migrations behave as libvirt's do, and whose answers can be delayed, lost or wrong on purpose.
//
// The world is the truth, apart from whoever controls it. Opened with Open, each change is in its
// journal before the caller hears of it, so a controller that is killed finds its hosts as it left
// them; New keeps everything in memory. Work in progress (a guest booting or shutting down, a
// migration) is kept as the absolute time when it ends, so it also ends while nobody looks.
//
// # Time
//
// The world reads package time and nothing else: inside a testing/synctest bubble it runs in
// virtual time. Options.TimeScale makes work take a fraction of its time; the zero Options make
// everything instant.
//
// # How a call travels
//
// A call is admitted (is the host reachable? does a Fault match?), arrives at the host's libvirtd,
// now or at a later time, waits there while it hangs, and then runs as one turn: an atomic step
// whose changes are journalled before answers and events leave. The caller may be gone by then; the
// call runs all the same, which is the case that a controller must survive.
//
// Calls that are on their way or queued at a hung libvirtd live in memory only: they are lost with the
// process that holds the World, as a real call is when both its ends lose power.
package sim
