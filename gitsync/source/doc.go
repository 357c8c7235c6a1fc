// Package source reads one commit of a git repository.
//
// In: a URL, what to follow there (branch, tag, range of tags, commit), credentials, the keys that may
// sign, and caps. Out: which commit that is (Resolve, one round trip), and the commit with the files
// that a fleet is read from (Fetch).
//
//	Resolve ── refs as the server shows them ──▶ Head      unmoved: that was all
//	Fetch   ── pack of depth one ──▶ capped ──▶ checked ──▶ commit, trees ──▶ wanted blobs
//
// It works in memory: no worktree, no temporary file, no program is run. What comes over the wire is
// counted before it is parsed, and refused as soon as it passes a cap: see Limits. Files are read
// straight from the tree objects; symlinks, submodules and odd names below the path are refused by name.
// Names that begin with a dot (.git, .github, .gitlab-ci.yml) are not read.
//
// A repository is reached by https, http, ssh or file. Credentials go to the scheme, host and port of
// the URL and nowhere else: a redirect to elsewhere is refused. A file URL is read in place through
// go-git's own storage, object by object, since its in-process server cannot serve a shallow pack: it is
// for demonstrations, and whoever may write a Fleet may have the controller read any repository on its
// file system.
//
// The signature that counts is the commit's own, GPG or SSH; that of an annotated tag does not. An SSH
// key with valid-after or valid-before is judged at the time the commit says that it was made, as git
// does; a GPG key must be valid now. To revoke a key take it out of the Secret.
//
// The package never writes anything anywhere, never logs, and never puts a credential into an error.
package source
