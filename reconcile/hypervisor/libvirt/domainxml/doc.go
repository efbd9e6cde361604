// Package domainxml turns definitions into libvirt's domain XML, reads back the little that decisions
// need, and edits the XML of existing domains without losing what it does not know. It is pure: no
// connection, no clock, the same input gives the same bytes.
//
// New domains are written from structs. Existing ones are never sent through structs, which would drop
// every element they don't name; Retarget changes the few bytes that must differ and copies the rest.
package domainxml
