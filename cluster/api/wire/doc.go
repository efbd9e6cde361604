// Package wire is the JSON that novaplan speaks: what its API sends and takes, and what plan -json,
// status -o json and the other machine-readable outputs print. It is plain data: nothing here
// decides anything.
//
// The formats are promises. A field keeps its name and meaning for as long as the major number of
// its document's format_version does; new fields raise the minor number. docs/plan-schema.md
// describes the plan, and a test compares the two.
package wire
