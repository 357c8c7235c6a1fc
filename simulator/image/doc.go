// Package image keeps the base images that machines' disks are laid over: each downloaded, verified and converted once,
// and kept by the digest of what was downloaded.
//
// In: where an image is, and how it is to be verified. Out: a flat, read-only qcow2 that refers to no other file, and
// overlays over it; or an error that says whether trying again can help.
//
//	URL ──download──▶ KEY.partial ──hash, checksum, signature──▶ header looked at, then qemu-img info
//	      (resumed)                                                        │
//	                              DIGEST.json ◀──DIGEST.qcow2◀── qemu-img convert, with limits
//	                           (the commit point)
//
// What comes from outside is hostile until it is converted. No format is ever guessed by QEMU (CVE-2024-44082): this
// package reads the header itself, refuses what refers to other files, and names the format in every call. The bytes that
// are hashed are those of the very file that is then converted. A killed Get leaves a .partial that the next goes on with.
// A Store's folder belongs to one process at a time.
package image
