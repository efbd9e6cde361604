// Package spec holds the nouns of novaplan as plain, serialisable data: what a folder of
// *.np.hcl files says once every expression in it is evaluated.
//
// Nothing here knows HCL, libvirt or raft. Package spec/lang produces a Spec, the replicated
// record stores it, the planner reads it.
//
// Order is meaning: every slice in a Spec is in spec order (file name, position in the file, then
// key, a count by number), and that order decides placement and ties. Blocks refer to each other by
// Address, never by pointer, so a Spec can be encoded, compared and stored in parts.
package spec
