package source

import (
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree"
)

// Request says what is read from where.
type Request struct {
	// URL of the repository: https, http, ssh or file.
	URL string
	// Ref that is followed; the zero value is the branch main.
	Ref v1alpha1.GitRef
	// Path of the folder below which files are read; "" is the root.
	Path string
	// Credentials for the URL; the zero value is none.
	Credentials Credentials
	// Verify the commit's signature; nil does not look at it.
	Verify *Verify
	// Limits of what is taken; the zero value is DefaultLimits.
	Limits Limits
}

// Verify says whose signature counts.
type Verify struct {
	// Keys by name: each value an armored OpenPGP key ring, SSH allowed signers, or authorized_keys.
	Keys map[string][]byte
	// Now is the time at which GPG keys must be valid; zero is the clock's.
	Now time.Time
}

// Limits of what is taken from a repository. A limit of zero is the default's.
type Limits struct {
	// Advertisement is how many bytes the list of refs may have.
	Advertisement int64
	// Packed is how many bytes the pack may have.
	Packed int64
	// Inflated is how many bytes may be unpacked in all, whatever is kept of them.
	Inflated int64
	// Objects that the pack may hold.
	Objects int
	// Blob is how many bytes one file may have.
	Blob int64
	// Files that there may be below the path.
	Files int
	// Bytes that these files may have together.
	Bytes int64
}

// DefaultLimits are what a fleet of a hundred thousand servers fits into.
func DefaultLimits() Limits {
	return Limits{
		Advertisement: 16 << 20, Packed: 64 << 20, Inflated: 512 << 20, Objects: 200_000,
		Blob: 1 << 20, Files: 20_000, Bytes: 64 << 20,
	}
}

func orDefault[T int | int64](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	orDefault(&l.Advertisement, d.Advertisement)
	orDefault(&l.Packed, d.Packed)
	orDefault(&l.Inflated, d.Inflated)
	orDefault(&l.Objects, d.Objects)
	orDefault(&l.Blob, d.Blob)
	orDefault(&l.Files, d.Files)
	orDefault(&l.Bytes, d.Bytes)
	return l
}

// Head is where a ref stands.
type Head struct {
	// Revision as Flux writes it: "main@sha1:9f1c…", or "sha1:9f1c…" for a commit.
	Revision string
	// Commit in full.
	Commit string
	// RefName in full, such as "refs/heads/main"; "" for a commit.
	RefName string

	seen *advert // what the server showed, so that Fetch need not ask again
}

// Commit with the files of it that are read.
type Commit struct {
	// Revision and Hash as in Head.
	Revision, Hash string
	// Author as "Name <mail>", and Subject: the first line of the message.
	Author, Subject string
	// When it was committed.
	When time.Time
	// SignedBy tells whose signature it carries, as "alice@example.org ssh:SHA256:…" or
	// "Alice <alice@example.org> gpg:<fingerprint>"; "" where none of the keys signed it.
	SignedBy string
	// SignatureProblem says why nobody known signed it; "" where SignedBy is set or nothing was asked for.
	SignatureProblem string
	// Files below the path, by path.
	Files []tree.File
}
