// Package auth finds out who asks and what they may do: tokens, client certificates, and processes at the other end
// of a unix socket. It declares the small views of the record and of certificates that it needs.
//
// A token is np_<id>_<secret>. The record has the SHA-256 of the secret only; as the secret is random and long,
// no slower hash is needed. Neither secrets nor headers are ever logged.
package auth
