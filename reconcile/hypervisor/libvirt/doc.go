// Package libvirt is the driver for real hosts: it speaks libvirt's RPC protocol to their libvirtd, by
// unix socket, TCP, TLS or through the user's own ssh. Nothing of novaplan runs on the hosts.
//
// The protocol library knows no context, deadline, keepalive or reconnect, so this package builds them
// around it. From the bottom up:
//
//   - dial*.go open a net.Conn to a libvirtd. guardedConn watches it: it remembers why the
//     connection ended and refuses bytes that can't be libvirt's.
//   - session is one connection with RPC on it. Its do runs a call under a context and a deadline; a
//     call that has been given up goes on in the background until its answer comes or the session ends.
//   - supervisor keeps one session to a host alive: heartbeat, redial with backoff, resync event.
//   - host implements the port. Reads and changes go over the supervisor's session; every transfer,
//     migration, managed save and console has a session of its own, since the protocol delivers
//     replies one after the other and one slow reader would stall all.
//
// What an error means is decided in one place, errors.go: never sent is ErrUnreachable, sent without
// an answer is ErrUnknown, and libvirt's own words map by their code.
package libvirt
