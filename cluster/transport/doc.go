// Package transport is the one port of a server: members' connections and the API share it, told apart by
// what TLS negotiates (ALPN). A member's protocol is spoken only with a certificate of role server of
// this fleet; the API is spoken with any certificate of the fleet, or with none (and a token).
//
// Without certificates the port is plain text, and then on loopback addresses only. A member's connection
// begins with a preamble there, whose first byte no HTTP request begins with.
//
// At the end of a handshake a member says one byte, so that Dial returns a connection that both sides are
// content with: in TLS 1.3 the side that calls would learn of a refused certificate only when it reads.
package transport
