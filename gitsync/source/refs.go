package source

import (
	"errors"
	"io"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"

	"stargate.io/stargate/api/v1alpha1"
)

// advert is what a server shows of its refs.
type advert struct {
	refs   map[string]plumbing.Hash // by full name
	peeled map[string]plumbing.Hash // what annotated tags lead to
	caps   *capability.List
	base   string // where the repository answered, for HTTP
}

// readAdvert reads what a server shows, up to a cap.
func readAdvert(r io.Reader, limit int64) (*advert, error) {
	bounded := &capped{r: r, left: limit}
	refs := packp.NewAdvRefs()
	err := refs.Decode(bounded)
	switch {
	case bounded.over:
		return nil, failure(Refused, "delete refs that nobody needs, or serve the fleet from a repository of its own",
			"the list of refs has more than %s", size(limit))
	case errors.Is(err, packp.ErrEmptyAdvRefs):
		return nil, empty()
	case err != nil:
		return nil, advertProblem(bounded, err)
	}
	out := &advert{refs: refs.References, peeled: refs.Peeled, caps: refs.Capabilities}
	if format := out.caps.Get(capability.ObjectFormat); len(format) > 0 && format[0] != "sha1" {
		return nil, failure(Refused, "serve the fleet from a repository with SHA-1 names",
			"its objects are named by %s, which is not read", brief(format[0]))
	}
	if len(out.refs) == 0 && refs.Head == nil {
		return nil, empty()
	}
	return out, nil
}

func advertProblem(bounded *capped, err error) error {
	if line, ok := errors.AsType[*pktline.ErrorLine](err); ok {
		return remoteError(line.Text)
	}
	if bounded.err != nil && !errors.Is(bounded.err, io.EOF) {
		return bounded.err
	}
	if bounded.err != nil {
		return cut("the list of refs")
	}
	return failure(Transient, "look whether spec.url is that of a git repository", "what the server sent is no list of refs")
}

func empty() *Error {
	return failure(Empty, "push a commit to it", "the repository has no commits")
}

// remoteError is what a server said instead of answering.
func remoteError(text string) *Error {
	low := strings.ToLower(text)
	for _, said := range []string{
		"repository not found", "does not appear to be a git repository", "no such repository", "repository does not exist",
		"could not be found", "not a git repository", "no such project",
	} {
		if strings.Contains(low, said) {
			return notFound()
		}
	}
	if strings.Contains(low, "access denied") || strings.Contains(low, "permission denied") || strings.Contains(low, "not authorized") {
		return failure(Auth, "let these credentials read the repository", "the server says %q", brief(text))
	}
	return failure(Transient, "it is tried again", "the server says %q", brief(text))
}

func notFound() *Error {
	return failure(RefNotFound, "check spec.url, and whether the credentials of spec.credentialsRef may read it", "there is no such repository")
}

// head finds where a ref stands.
func (a *advert) head(ref v1alpha1.GitRef) (Head, error) {
	switch {
	case ref.Commit != "":
		hash, err := hashOf(ref.Commit)
		if err != nil {
			return Head{}, err
		}
		return Head{Revision: "sha1:" + hash.String(), Commit: hash.String(), seen: a}, nil
	case ref.Tag != "":
		return a.named("refs/tags/", ref.Tag, "tag")
	case ref.Semver != "":
		return a.highest(ref.Semver)
	}
	return a.named("refs/heads/", branchOf(ref), "branch")
}

func (a *advert) named(prefix, name, what string) (Head, error) {
	hash, ok := a.refs[prefix+name]
	if !ok {
		return Head{}, failure(RefNotFound, "push it, or write another into spec.ref", "there is no %s %q", what, brief(name))
	}
	if to, ok := a.peeled[prefix+name]; ok {
		hash = to
	}
	return Head{Revision: name + "@sha1:" + hash.String(), Commit: hash.String(), RefName: prefix + name, seen: a}, nil
}

// highest tag in a range of versions. Of tags for the same version (v1.2.0, 1.2.0) the last by name is taken,
// so that it is always the same one.
func (a *advert) highest(expression string) (Head, error) {
	within, err := semver.NewConstraint(expression)
	if err != nil {
		return Head{}, failure(Refused, `write a range such as ">=1.2.0 <2.0.0" into spec.ref.semver`, "%q is no range of versions", brief(expression))
	}
	var best *semver.Version
	var tag string
	for name := range a.refs {
		short, ok := strings.CutPrefix(name, "refs/tags/")
		if !ok {
			continue
		}
		v, err := semver.NewVersion(short)
		if err != nil || !within.Check(v) {
			continue
		}
		if best == nil || v.GreaterThan(best) || (v.Equal(best) && short > tag) {
			best, tag = v, short
		}
	}
	if best == nil {
		return Head{}, failure(RefNotFound, "push such a tag, or widen spec.ref.semver", "no tag is a version in %q", brief(expression))
	}
	return a.named("refs/tags/", tag, "tag")
}

// shows tells whether a commit is where one of the refs stands.
func (a *advert) shows(commit plumbing.Hash) bool {
	for _, refs := range []map[string]plumbing.Hash{a.refs, a.peeled} {
		for _, hash := range refs {
			if hash == commit {
				return true
			}
		}
	}
	return false
}
