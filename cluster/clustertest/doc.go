// Package clustertest is a network in memory for members of a cluster under test: it can be cut in pieces,
// slowed down and healed, and it works in a testing/synctest bubble, where its delays pass in virtual time.
//
// What is cut behaves like a cable that was pulled: nothing is refused, bytes that were sent simply don't arrive,
// and arrive all the same when the cable is back before the connection was given up. A closed Port behaves
// like a process that died: its connections are reset and dialling it is refused.
package clustertest
