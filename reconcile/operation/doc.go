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
// libvirt has no fence for what is done to a file by its name: a deletion or migration whose answer was lost may reach
// a host minutes later. So no name is used for two files. A create has names of its own for each host that it is tried
// on, a move for each try to make its copies (moved.go), a cached image for each upload (package disk). Late calls
// then find what they were meant for, or nothing:
//
//   - A late deletion finds its file gone, for nothing goes on before that is read back.
//   - A late migration finds none of the files that it would fill, and hypervisors make none. While some are still being
//     deleted, the config drive is what stops it: it goes first, and holds nothing that can't be made again.
//   - A late upload fills a file that nobody uses.
//   - A late create leaves an empty file behind. Nothing deletes it unasked, and nothing else is ever called so.
package operation
