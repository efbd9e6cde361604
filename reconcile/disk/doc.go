// Package disk brings images, overlays and config drives to where domains can use them.
//
// An image goes through two caches. The Store, on the controller's side, fetches it once, verifies
// its checksum and format, and never shows a file that isn't whole. The Cache, in a pool of a host,
// gets it uploaded once, beside an empty marker volume that says that the upload is complete: a
// volume without its marker is rubbish, or somebody's upload in progress. Overlays stand on the
// cached volume, which nobody ever writes again.
//
// Names of volumes: np-image-<12 digits of the sha256>.<format>, np-image-<the same>.ok for the
// marker, np-<uuid>-<role>-<n>.<format> for an instance's own.
package disk
