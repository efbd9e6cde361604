// Package hypervisor is the port through which novaplan reaches hosts: what a driver must do, the
// plain data it speaks, and the errors that decide what happens next.
//
// Two drivers stand behind it, hypervisor/libvirt (real hosts) and hypervisor/sim (simulated ones);
// both pass hypervisor/conformance. Every method is safe for concurrent use, takes its deadline from
// ctx, and is idempotent where its comment says so.
//
// The one rule that shapes the errors: a call whose answer is lost may still take effect, any time
// later. Such a call returns ErrUnknown, never a plain failure, and the caller must look before it
// does anything else.
package hypervisor
