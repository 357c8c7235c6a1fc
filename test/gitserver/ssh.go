package gitserver

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// SSH server of repositories: it runs git-upload-pack and nothing else.
type SSH struct {
	// Address as host:port.
	Address string
	// KnownHosts is the line that ssh-keyscan would print.
	KnownHosts []byte

	root     string
	config   *ssh.ServerConfig
	listener net.Listener
	work     sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	conns    map[net.Conn]bool
	commands []string
	cutAfter int
	stall    int
}

// NewKey makes a private key in PEM form, locked where there is a passphrase, and its public key as a line.
func NewKey(passphrase string) (private []byte, public string, err error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", fmt.Errorf("making a key: %w", err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, "", fmt.Errorf("making a key: %w", err)
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		return nil, "", fmt.Errorf("writing the key: %w", err)
	}
	return pem.EncodeToMemory(block), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), nil
}

// StartSSH starts a server of the repositories below a folder, for whoever has one of the keys.
func StartSSH(root string, allowed ...string) (*SSH, error) {
	var keys []ssh.PublicKey
	for _, line := range allowed {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return nil, fmt.Errorf("reading a key: %w", err)
		}
		keys = append(keys, key)
	}
	private, public, err := NewKey("")
	if err != nil {
		return nil, err
	}
	hostKey, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("reading the host's key: %w", err)
	}
	s := &SSH{root: root, conns: map[net.Conn]bool{}}
	s.config = &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		for _, k := range keys {
			if bytes.Equal(k.Marshal(), key.Marshal()) {
				return &ssh.Permissions{}, nil
			}
		}
		return nil, errors.New("not a key of ours")
	}}
	s.config.AddHostKey(hostKey)
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s.Address = s.listener.Addr().String()
	_, port, _ := net.SplitHostPort(s.Address)
	s.KnownHosts = []byte("[127.0.0.1]:" + port + " " + public + "\n")
	s.work.Go(s.accept)
	return s, nil
}

// Repo is the URL of a repository.
func (s *SSH) Repo(name string) string {
	return "ssh://git@" + s.Address + filepath.ToSlash(filepath.Join(s.root, name))
}

// Commands that were run since the last call.
func (s *SSH) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.commands
	s.commands = nil
	return got
}

// CutAfter so many bytes of what a command prints the connection is cut; 0 mends it.
func (s *SSH) CutAfter(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cutAfter = n
}

// StallAfter so many bytes of what a command prints nothing more comes until the client is gone; 0 mends it.
func (s *SSH) StallAfter(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stall = n
}

// Close the server and all connections.
func (s *SSH) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
	return err
}

func (s *SSH) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			_ = conn.Close()
		}
		s.conns[conn] = true
		s.mu.Unlock()
		s.work.Go(func() {
			s.serve(conn)
			_ = conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
	}
}

func (s *SSH) serve(conn net.Conn) {
	_, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	s.work.Go(func() { ssh.DiscardRequests(requests) })
	for c := range channels {
		if c.ChannelType() != "session" {
			_ = c.Reject(ssh.UnknownChannelType, "sessions only")
			continue
		}
		channel, asked, err := c.Accept()
		if err != nil {
			return
		}
		s.work.Go(func() {
			for r := range asked {
				if r.Type != "exec" {
					_ = r.Reply(false, nil)
					continue
				}
				var command struct{ Line string }
				_ = r.Reply(ssh.Unmarshal(r.Payload, &command) == nil, nil)
				s.exec(conn, channel, command.Line)
			}
		})
	}
}

// exec git-upload-pack, and tell how it ended.
func (s *SSH) exec(conn net.Conn, channel ssh.Channel, line string) {
	defer func() { _ = channel.Close() }()
	s.mu.Lock()
	s.commands = append(s.commands, line)
	cut, stall := s.cutAfter, s.stall
	s.mu.Unlock()
	name, path, _ := strings.Cut(line, " ")
	path = strings.Trim(path, "'")
	status := struct{ Code uint32 }{}
	if name != "git-upload-pack" || !strings.HasPrefix(path, s.root) {
		_, _ = io.WriteString(channel.Stderr(), "ERROR: Repository not found.\n")
		status.Code = 1
	} else if err := s.upload(conn, channel, path, cut, stall); err != nil {
		status.Code = 128
	}
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(&status))
}

func (s *SSH) upload(conn net.Conn, channel ssh.Channel, path string, cut, stall int) error {
	cmd := exec.Command("git-upload-pack", path)
	cmd.Env = environment()
	cmd.Stderr = channel.Stderr()
	gone := make(chan struct{}) // the client
	cmd.Stdout = channel
	switch {
	case cut > 0:
		cmd.Stdout = &ending{channel, cut, func() { _ = conn.Close() }}
	case stall > 0:
		cmd.Stdout = &ending{channel, stall, func() { <-gone }}
	}
	in, err := cmd.StdinPipe() // so that Wait does not wait for a client that says nothing more
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.work.Go(func() {
		_, _ = io.Copy(in, channel)
		_ = in.Close()
		close(gone)
	})
	return cmd.Wait()
}

// ending passes on so many bytes, and then does something and ends.
type ending struct {
	w    io.Writer
	left int
	then func()
}

func (e *ending) Write(p []byte) (int, error) {
	if len(p) >= e.left {
		_, _ = e.w.Write(p[:e.left])
		e.then()
		return 0, io.ErrClosedPipe
	}
	e.left -= len(p)
	return e.w.Write(p)
}
