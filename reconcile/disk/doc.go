// Package disk brings images, overlays and config drives to where domains can use them.
//
// An image goes through two caches. The Store, on the controller's side, fetches it once, verifies
// its checksum and format, and never shows a file that isn't whole. The Cache, in a pool of a host,
// gets it uploaded once, beside a marker volume that says that the upload is complete: a volume without
// its marker is rubbish, or somebody's upload in progress. Overlays stand on the cached volume, which
// nobody ever writes again.
//
// No name is used twice: a deletion may take effect long after it was sent, and must not find what
// was made since. An upload that is given up leaves its marker behind, with a size that says so, and the
// next one goes to the image's next place.
//
// Names of volumes: np-image-<12 digits of the sha256>.<format>, or with -<n> after the digits for the n-th
// place after the first; the same with .ok for the marker; np-<uuid>-<role>-<n>.<format> for an
// instance's own, on the n-th host that it was to be built on, and np-<uuid>-<role>-g<generation>-<token>.<format>
// once it moved from one local pool to another.
package disk
