// Package operation carries out what was decided: one file per action, each a written-down sequence of
// small idempotent steps.
//
// A step knows three things: whether it is already so on the hosts, how to make it so, and how to
// undo it. The runner goes through a sequence from its beginning, whoever began it and however far
// they came, so going on after a crash is the same code as going on after a success. What later
// steps rely on after a crash is committed to the record under the operation's epoch before they run.
//
// Three rules hold in every sequence:
//
//   - A call whose answer was lost may still take effect: look before doing anything else, and when
//     nothing can be seen, park the operation rather than conclude from a timeout.
//   - No step touches a domain without reading its stamp, or a host without reading its claim.
//   - No step destroys the only good copy of a disk.
//
// What has no fence: a deletion or migration that reaches a local pool so late that the same
// file was made there again for a later migration. Creates are safe from it, for each try has names of
// its own; a migration keeps the path. It is looked for before each deletion, and the source's copies
// stay until the destination's were seen.
package operation
