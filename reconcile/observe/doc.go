// Package observe looks at hosts: what they are, what exists on them, and whose they are. A look changes
// nothing on a host. Hosts are looked at in parallel, each within its own deadline, so that one that
// doesn't answer costs the others nothing and is itself only a line in the result.
package observe
