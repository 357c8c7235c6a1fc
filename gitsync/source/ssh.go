package source

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/crypto/ssh"
)

// sshRemote runs git-upload-pack on the server. The server's key is checked against known_hosts, always.
type sshRemote struct {
	address, user, path string
	signer              ssh.Signer
	known               *knownHost
	limits              Limits
}

func reachSSH(u *url.URL, c Credentials, l Limits) (remote, error) {
	port := u.Port()
	if port == "" {
		port = "22"
	}
	user := u.User.Username()
	if user == "" {
		user = "git"
	}
	path := u.Path
	if strings.HasPrefix(path, "/~") { // a home folder, as git has it
		path = path[1:]
	}
	if path == "" || path == "/" || strings.ContainsAny(path, "\x00\n\r") {
		return nil, failure(Refused, "write it as ssh://git@host/fleet.git into spec.url", "the URL names no repository")
	}
	signer, err := c.signer()
	if err != nil {
		return nil, err
	}
	known, err := findHost(c.KnownHosts, u.Hostname(), port)
	if err != nil {
		return nil, err
	}
	return &sshRemote{net.JoinHostPort(u.Hostname(), port), user, path, signer, known, l}, nil
}

func (r *sshRemote) close() {}

func (r *sshRemote) advertise(ctx context.Context) (*advert, error) {
	s, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	seen, err := s.advert(r.limits)
	if err != nil {
		return nil, err
	}
	_, _ = io.WriteString(s.in, "0000") // that is all, thank you; the answer is complete whether it hears that or not
	return seen, nil
}

func (r *sshRemote) objects(ctx context.Context, _ *advert, commit plumbing.Hash) (objects, error) {
	s, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	seen, err := s.advert(r.limits)
	if err != nil {
		return nil, err
	}
	ask, err := wants(seen, commit)
	if err != nil {
		return nil, err
	}
	if _, err := s.in.Write(ask); err != nil {
		return nil, s.problem(err)
	}
	raw, err := readReply(ctx, s.out, r.limits)
	if err != nil {
		if errors.Is(err, errNotOurRef) {
			return nil, explainNotOurRef(err, seen, commit)
		}
		return nil, sorted(err)
	}
	return openPack(ctx, raw, r.limits)
}

// sshSession is one run of git-upload-pack.
type sshSession struct {
	in      io.Writer
	out     *bufio.Reader
	session *ssh.Session
	client  *ssh.Client
	said    *firstBytes // on its standard error
	forget  func() bool
}

func (r *sshRemote) open(ctx context.Context) (*sshSession, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.address)
	if err != nil {
		return nil, failure(Transient, "it is tried again", "%s", plainly(err))
	}
	forget := context.AfterFunc(ctx, func() { _ = conn.Close() })
	s, err := r.start(conn)
	if err != nil {
		forget()
		_ = conn.Close()
		return nil, err
	}
	s.forget = forget
	return s, nil
}

func (r *sshRemote) start(conn net.Conn) (*sshSession, error) {
	var untrusted error
	c, channels, requests, err := ssh.NewClientConn(conn, r.address, &ssh.ClientConfig{
		User: r.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(r.signer)},
		ClientVersion: "SSH-2.0-" + agent, HostKeyAlgorithms: r.known.algorithms(),
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			untrusted = r.known.check(key)
			return untrusted
		},
	})
	switch {
	case untrusted != nil:
		return nil, untrusted
	case err != nil:
		return nil, r.handshake(err)
	}
	client := ssh.NewClient(c, channels, requests)
	session, err := client.NewSession()
	if err != nil {
		return nil, failure(Transient, "it is tried again", "the server opens no session: %s", brief(err.Error()))
	}
	s := &sshSession{session: session, client: client, said: &firstBytes{}}
	session.Stderr = s.said
	in, err := session.StdinPipe()
	if err != nil {
		return nil, failure(Transient, "it is tried again", "%s", brief(err.Error()))
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return nil, failure(Transient, "it is tried again", "%s", brief(err.Error()))
	}
	s.in, s.out = in, bufio.NewReader(out)
	if err := session.Start("git-upload-pack " + quoted(r.path)); err != nil {
		return nil, failure(Auth, "let this key run git-upload-pack", "the server does not run git-upload-pack: %s", brief(err.Error()))
	}
	return s, nil
}

// handshake tells what went wrong before there was a session.
func (r *sshRemote) handshake(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "unable to authenticate"):
		return failure(Auth, "let its public key read the repository, or put another into the Secret that spec.credentialsRef names",
			"the server does not take the key %s (%s) for user %q", KeyIdentity, ssh.FingerprintSHA256(r.signer.PublicKey()), brief(r.user))
	case strings.Contains(text, "no common algorithm for host key"):
		return failure(Auth, "check the server, then put its line of ssh-keyscan there",
			"the server has no key of the kinds that %s in the Secret names for it (%s)", KeyKnownHosts, strings.Join(r.known.algorithms(), ", "))
	}
	return failure(Transient, "it is tried again", "%s", brief(text))
}

func (s *sshSession) close() {
	_ = s.client.Close()
	s.forget()
}

func (s *sshSession) advert(l Limits) (*advert, error) {
	seen, err := readAdvert(s.out, l.Advertisement)
	if err != nil && KindOf(err) == Transient {
		return nil, s.problem(err)
	}
	return seen, err
}

// problem prefers what the server said on its standard error.
func (s *sshSession) problem(err error) error {
	_ = s.session.Wait() // ends with the server's command, or with the context
	if text := s.said.String(); text != "" {
		return remoteError(text)
	}
	return sorted(err)
}

// quoted for a shell, as git does it.
func quoted(path string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(path) + "'"
}

// firstBytes keeps the beginning of what is written to it.
type firstBytes struct {
	mu   sync.Mutex
	kept []byte
}

// Write keeps some and takes all.
func (f *firstBytes) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, p[:min(len(p), 2048-len(f.kept))]...)
	return len(p), nil
}

// String is what was kept.
func (f *firstBytes) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.TrimSpace(string(f.kept))
}
