package source

import (
	"context"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"stargate.io/stargate/api/v1alpha1"
)

// Git reads repositories. It holds nothing between calls and may be used at once by many.
type Git struct{}

// remote is one way to a repository.
type remote interface {
	// advertise gives the refs as they are now.
	advertise(ctx context.Context) (*advert, error)
	// objects of a commit, and of what it holds.
	objects(ctx context.Context, seen *advert, commit plumbing.Hash) (objects, error)
	// close gives back what it holds.
	close()
}

// Resolve says which commit the ref stands at: one round trip.
func (Git) Resolve(ctx context.Context, req Request) (Head, error) {
	head, err := resolve(ctx, req)
	if err != nil {
		return Head{}, placed(ctx, err, "looking up "+refText(req.Ref), safeURL(req.URL), req.Credentials)
	}
	return head, nil
}

func resolve(ctx context.Context, req Request) (Head, error) {
	r, err := reach(req)
	if err != nil {
		return Head{}, err
	}
	defer r.close()
	seen, err := r.advertise(ctx)
	if err != nil {
		return Head{}, err
	}
	return seen.head(req.Ref)
}

// Fetch reads the commit that Resolve found: over HTTP one more round trip.
func (Git) Fetch(ctx context.Context, req Request, head Head) (*Commit, error) {
	c, err := fetch(ctx, req, head)
	if err != nil {
		return nil, placed(ctx, err, "reading "+refText(req.Ref), safeURL(req.URL), req.Credentials)
	}
	return c, nil
}

func fetch(ctx context.Context, req Request, head Head) (*Commit, error) {
	hash, err := hashOf(head.Commit)
	if err != nil {
		return nil, err
	}
	r, err := reach(req)
	if err != nil {
		return nil, err
	}
	defer r.close()
	objs, err := r.objects(ctx, head.seen, hash)
	if err != nil {
		return nil, err
	}
	raw, err := objs.get(hash, plumbing.CommitObject)
	if err != nil {
		return nil, err
	}
	c, root, err := parseCommit(raw)
	if err != nil {
		return nil, err
	}
	c.Revision, c.Hash = head.Revision, head.Commit
	if req.Verify != nil {
		c.SignedBy, c.SignatureProblem = req.Verify.judge(raw)
	}
	c.Files, err = readFiles(ctx, objs, root, req.Path, req.Limits.orDefault())
	return c, err
}

// reach finds the way to a repository.
func reach(req Request) (remote, error) {
	u, err := parseURL(req.URL)
	if err != nil {
		return nil, err
	}
	limits := req.Limits.orDefault()
	switch u.Scheme {
	case "https", "http":
		return reachHTTP(u, req.Credentials, limits)
	case "ssh":
		return reachSSH(u, req.Credentials, limits)
	case "file":
		return reachFile(u, limits)
	}
	return nil, failure(Refused, "write an https, http, ssh or file URL into spec.url", "the scheme %q is not known", brief(u.Scheme))
}

func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil { // whose text holds the URL, and with it perhaps a password
		return nil, failure(Refused, "write it as https://host/fleet.git into spec.url", "the URL cannot be read")
	}
	if _, has := u.User.Password(); has || (u.User != nil && u.Scheme != "ssh") {
		return nil, failure(Refused, "put them into the Secret that spec.credentialsRef names", "the URL holds credentials")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, failure(Refused, "take it out of spec.url", "the URL has a query or a fragment")
	}
	if u.Host == "" && u.Scheme != "file" {
		return nil, failure(Refused, "write it as https://host/fleet.git into spec.url", "the URL has no host")
	}
	return u, nil
}

// safeURL is the URL for messages: without what may be secret.
func safeURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "the repository"
	}
	return redacted(u)
}

func redacted(u *url.URL) string {
	plain := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return brief(plain.String())
}

// refText names a ref for messages.
func refText(ref v1alpha1.GitRef) string {
	switch {
	case ref.Commit != "":
		return "commit " + brief(ref.Commit)
	case ref.Tag != "":
		return "tag " + brief(ref.Tag)
	case ref.Semver != "":
		return "tags " + brief(ref.Semver)
	}
	return "branch " + brief(branchOf(ref))
}

func branchOf(ref v1alpha1.GitRef) string {
	if ref.Branch == "" {
		return "main"
	}
	return ref.Branch
}

func hashOf(hex string) (plumbing.Hash, error) {
	switch {
	case len(hex) == 64:
		return plumbing.ZeroHash, failure(Refused, "follow a branch of a repository with SHA-1 names",
			"repositories with SHA-256 names are not read")
	case !plumbing.IsHash(hex) || strings.ToLower(hex) != hex:
		return plumbing.ZeroHash, failure(Refused, "write all 40 digits", "%q is no commit in full", brief(hex))
	}
	return plumbing.NewHash(hex), nil
}
