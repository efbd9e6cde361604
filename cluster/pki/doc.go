// Package pki makes and reads the certificates of a fleet: one authority, a certificate for each server,
// and certificates for people and programs that call the API.
//
// Who somebody is and what they may do stands in the certificate, as a URI: novaplan://FLEET/ROLE/NAME. The
// authority is constrained to URIs of its fleet, so that a certificate of one fleet is worth nothing in
// another, even where both have the same operator. Keys are ECDSA P-256, which every TLS library speaks.
//
// Servers read their files again when they change (Keeper), so that a renewal needs no restart.
package pki
