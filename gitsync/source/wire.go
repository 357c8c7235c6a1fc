package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
)

// agent is how we introduce ourselves.
const agent = "stargate"

// wants writes the request for one commit without its history.
func wants(seen *advert, commit plumbing.Hash) ([]byte, error) {
	for _, needed := range []capability.Capability{capability.Sideband64k, capability.Shallow} {
		if !seen.caps.Supports(needed) {
			return nil, failure(Refused, "use a git server that has it (git 1.7 and later do)", "the server does not offer %q", string(needed))
		}
	}
	req := packp.NewUploadRequest()
	req.Wants = []plumbing.Hash{commit}
	req.Depth = packp.DepthCommits(1)
	// MultiACKDetailed changes nothing where we have nothing, but there are servers that insist on it (Azure DevOps).
	for _, c := range []capability.Capability{
		capability.Sideband64k, capability.OFSDelta, capability.Shallow, capability.NoProgress, capability.MultiACKDetailed,
	} {
		if seen.caps.Supports(c) {
			_ = req.Capabilities.Set(c) // fails for capabilities that take a value only
		}
	}
	if seen.caps.Supports(capability.Agent) {
		_ = req.Capabilities.Set(capability.Agent, agent) // fails without a value only
	}
	var b bytes.Buffer
	if err := req.Encode(&b); err != nil {
		return nil, failure(Refused, "", "asking for it: %s", brief(err.Error()))
	}
	_ = pktline.NewEncoder(&b).EncodeString("done\n") // into memory
	return b.Bytes(), nil
}

// readReply takes the pack out of a server's reply. Nothing in it is looked at but its length and its count.
func readReply(ctx context.Context, r io.Reader, l Limits) (*shelf, error) {
	// Framing costs five bytes in 64 KiB; progress and keep-alives are allowed to cost as much as a tenth and a MiB.
	bounded := &capped{r: r, left: l.Packed + l.Packed/10 + 1<<20}
	lines := pktline.NewScanner(bounded)
	if err := skipToPack(lines); err != nil {
		return nil, replyProblem(bounded, err, l)
	}
	pack := &shelf{}
	for {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !lines.Scan() {
			return nil, replyProblem(bounded, scanEnd(lines), l)
		}
		line := lines.Bytes()
		if len(line) == 0 {
			return pack, nil
		}
		switch line[0] {
		case 1:
			pack.append(line[1:])
		case 2: // progress
		case 3:
			return nil, remoteError(string(line[1:]))
		default:
			return nil, corrupt("a packet of channel %d", line[0])
		}
		if err := pack.tooMuch(l); err != nil {
			return nil, err
		}
	}
}

// scanEnd is why a scanner ended.
func scanEnd(lines *pktline.Scanner) error {
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

// skipToPack reads past what the server says of shallow commits and of what we have, which is nothing.
func skipToPack(lines *pktline.Scanner) error {
	for lines.Scan() {
		line := string(lines.Bytes())
		switch {
		case line == "", strings.HasPrefix(line, "shallow "), strings.HasPrefix(line, "unshallow "):
		case strings.HasPrefix(line, "NAK"), strings.HasPrefix(line, "ACK "):
			return nil
		default:
			return corrupt("%q where the pack should begin", brief(line))
		}
	}
	return scanEnd(lines)
}

func replyProblem(bounded *capped, err error, l Limits) error {
	if line, ok := errors.AsType[*pktline.ErrorLine](err); ok {
		if strings.Contains(line.Text, "not our ref") || strings.Contains(line.Text, "unadvertised object") {
			return errNotOurRef
		}
		return remoteError(line.Text)
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	switch {
	case bounded.over:
		return tooPacked(l)
	case bounded.err != nil && !errors.Is(bounded.err, io.EOF) && !errors.Is(bounded.err, io.ErrUnexpectedEOF):
		return failure(Transient, "it is tried again", "the connection broke in the middle of the pack: %s", plainly(bounded.err))
	case bounded.err != nil:
		return cut("the pack")
	}
	return corrupt("a packet of no valid length")
}

var errNotOurRef = errors.New("not our ref")

// explainNotOurRef says what to do about a server that does not hand out a commit by its name.
func explainNotOurRef(err error, seen *advert, commit plumbing.Hash) error {
	if !errors.Is(err, errNotOurRef) {
		return err
	}
	if seen.shows(commit) {
		return failure(Transient, "it is looked up again", "the ref moved on while commit %s was being fetched", commit)
	}
	return failure(RefNotFound, "follow a branch or tag that stands there, or have the server allow it: git config uploadpack.allowAnySHA1InWant true",
		"the repository has no commit %s, or no branch or tag stands there and the server does not hand out others", commit)
}

// tooMuch tells whether a pack is over a cap by what has come of it.
func (s *shelf) tooMuch(l Limits) error {
	if s.n > l.Packed {
		return tooPacked(l)
	}
	if s.n < 12 || s.n > 12+1<<20 { // looked at when it comes
		return nil
	}
	count, err := s.count()
	if err != nil {
		return err
	}
	if int64(count) > int64(l.Objects) {
		return failure(Refused, "serve the fleet from a smaller repository of its own",
			"the pack holds %d objects, which is more than %d", count, l.Objects)
	}
	return nil
}

func tooPacked(l Limits) error {
	return failure(Refused, "serve the fleet from a smaller repository of its own", "the pack has more than %s", size(l.Packed))
}
