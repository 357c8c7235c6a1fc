package gitserver

import (
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options of a server.
type Options struct {
	// Root folder below which the repositories are.
	Root string
	// Username and Password that are asked for, or BearerToken.
	Username, Password, BearerToken string
	// TLS with a CA of its own.
	TLS bool
	// Writable: git push is taken too.
	Writable bool
	// Address to listen on; a free port of the loopback where it is empty.
	Address string
}

// Fault of the server; the zero value is none.
type Fault struct {
	// Status that every request is answered with.
	Status int
	// Redirect every request to this URL, with the rest of the path put after it.
	Redirect string
	// CutAfter so many bytes of a pack the connection is cut.
	CutAfter int
	// Pause before every piece of a pack.
	Pause time.Duration
	// Handler that answers instead of git.
	Handler http.HandlerFunc
	// OnlyPack: the refs are shown as they are.
	OnlyPack bool
}

// Request that came.
type Request struct {
	Method, Path, Authorization string
}

// HTTP server of repositories.
type HTTP struct {
	// URL of the server, without a slash at its end.
	URL string
	// CA in PEM form, where it speaks TLS.
	CA []byte

	options  Options
	server   *http.Server
	listener net.Listener
	done     chan struct{}

	mu       sync.Mutex
	fault    Fault
	requests []Request
	moves    map[string]string
}

// StartHTTP starts a server.
func StartHTTP(o Options) (*HTTP, error) {
	backend, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("finding git: %w", err)
	}
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	s := &HTTP{options: o, done: make(chan struct{})}
	if s.listener, err = net.Listen("tcp", o.Address); err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s.URL = "http://" + s.listener.Addr().String()
	if o.TLS {
		cert, ca, err := certificate()
		if err != nil {
			return nil, errors.Join(err, s.listener.Close())
		}
		s.CA, s.URL = ca, "https://"+s.listener.Addr().String()
		s.listener = tls.NewListener(s.listener, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	}
	handler := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(backend)), "git-http-backend"),
		Dir:  o.Root, Logger: quiet(), Stderr: io.Discard,
		Env: append(environment(), "GIT_PROJECT_ROOT="+o.Root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=git"),
	}
	s.server = &http.Server{Handler: s.handler(handler), ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet()}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(s.listener)
	}()
	return s, nil
}

// Close the server and all connections.
func (s *HTTP) Close() error {
	err := s.server.Close()
	<-s.done
	return err
}

// Repo is the URL of a repository.
func (s *HTTP) Repo(name string) string { return s.URL + "/" + name }

// Break the server in some way, or mend it with the zero value.
func (s *HTTP) Break(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Move a repository: who asks for the one path is redirected to the other, on the same server.
func (s *HTTP) Move(from, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moves == nil {
		s.moves = map[string]string{}
	}
	s.moves[from] = to
}

// Requests since the last call.
func (s *HTTP) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.requests
	s.requests = nil
	return got
}

func (s *HTTP) handler(git http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.Header.Get("Authorization")})
		fault := s.fault
		var to string
		for from, where := range s.moves {
			if rest, ok := strings.CutPrefix(r.URL.Path, from+"/"); ok {
				to = where + "/" + rest
			}
		}
		s.mu.Unlock()
		isPack := r.Method == http.MethodPost
		switch {
		case fault.OnlyPack && !isPack:
			fault = Fault{}
		case fault.Handler != nil:
			fault.Handler(w, r)
			return
		case fault.Redirect != "":
			http.Redirect(w, r, fault.Redirect+r.URL.Path+"?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
			return
		case fault.Status != 0:
			http.Error(w, http.StatusText(fault.Status)+" "+r.Header.Get("Authorization"), fault.Status)
			return
		}
		switch {
		case to != "":
			http.Redirect(w, r, to+"?"+r.URL.RawQuery, http.StatusMovedPermanently)
		case !s.allowed(r):
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you, "+r.Header.Get("Authorization"), http.StatusUnauthorized)
		case !s.options.Writable && strings.Contains(r.URL.Path+r.URL.RawQuery, "git-receive-pack"):
			http.Error(w, "read only", http.StatusForbidden)
		default:
			if isPack && (fault.CutAfter > 0 || fault.Pause > 0) {
				w = &faulty{ResponseWriter: w, r: r, left: fault.CutAfter, cut: fault.CutAfter > 0, pause: fault.Pause}
			}
			git.ServeHTTP(w, r)
		}
	})
}

func (s *HTTP) allowed(r *http.Request) bool {
	same := func(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
	switch o := s.options; {
	case o.BearerToken != "":
		return same(r.Header.Get("Authorization"), "Bearer "+o.BearerToken)
	case o.Username != "" || o.Password != "":
		user, password, _ := r.BasicAuth()
		return same(user, o.Username) && same(password, o.Password)
	}
	return true
}

// faulty cuts a reply, or makes it slow.
type faulty struct {
	http.ResponseWriter
	r     *http.Request
	left  int
	cut   bool
	pause time.Duration
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.pause > 0 {
		total := 0
		for len(p) > 0 {
			k := min(len(p), 64)
			n, err := f.ResponseWriter.Write(p[:k])
			total += n
			if err != nil {
				return total, err
			}
			_ = http.NewResponseController(f.ResponseWriter).Flush()
			p = p[k:]
			pause := time.NewTimer(f.pause)
			select {
			case <-pause.C:
			case <-f.r.Context().Done():
				pause.Stop()
				return total, f.r.Context().Err()
			}
		}
		return total, nil
	}
	if f.cut && len(p) >= f.left {
		_, _ = f.ResponseWriter.Write(p[:f.left])
		_ = http.NewResponseController(f.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	f.left -= len(p)
	return f.ResponseWriter.Write(p)
}
