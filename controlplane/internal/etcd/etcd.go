// Package etcd runs the one etcd member that a control plane keeps its objects in.
//
// In: a folder and limits. Out: the address of a Unix socket. It must never
// listen on the network: whoever reaches etcd is above all authorization, so
// the socket lies in a folder that only its owner can enter.
package etcd

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Config says where etcd keeps its data and how much of it.
type Config struct {
	Dir          string // made if absent
	QuotaBytes   int64  // writes are refused above; 0 is etcd's default of 2 GiB
	UnsafeNoSync bool   // no fsync: a power cut may lose everything
	Log          io.Writer
	Terminal     io.Writer // for what it dies of
	Verbose      bool
}

// Server is a running member.
type Server struct {
	etcd      *embed.Etcd
	socketDir string // removed at the end, when it is not below Config.Dir
	endpoint  string
}

// A socket's path must fit in sockaddr_un: 108 bytes on Linux, 104 on the BSDs.
const maxSocketPath = 100

// memberName and peerURL are written into the data at its first start and must
// not change. Nothing listens there: a single member has no peers.
const (
	memberName = "stargate"
	peerURL    = "http://localhost:2380"
)

// Start returns when the member serves, or with ctx's error.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{}
	socket, err := s.socketPath(c.Dir)
	if err != nil {
		return nil, err
	}
	s.endpoint = "unix://" + socket
	cfg, err := embedConfig(c, s.endpoint)
	if err != nil {
		return nil, err
	}
	if s.etcd, err = embed.StartEtcd(cfg); err != nil {
		s.removeSocketDir()
		return nil, fmt.Errorf("starting etcd in %s: %w", c.Dir, err)
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
		return s, nil
	case err = <-s.etcd.Err():
	case <-s.etcd.Server.StopNotify():
		err = fmt.Errorf("stopped before it was ready")
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.Stop()
	return nil, fmt.Errorf("starting etcd in %s: %w", c.Dir, err)
}

func embedConfig(c Config, endpoint string) (*embed.Config, error) {
	client, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("making etcd's address: %w", err)
	}
	peer, _ := url.Parse(peerURL)
	cfg := embed.NewConfig()
	cfg.Name = memberName
	cfg.Dir = c.Dir
	cfg.ListenClientUrls = []url.URL{*client}
	cfg.AdvertiseClientUrls = []url.URL{*client}
	cfg.ListenPeerUrls = nil
	cfg.AdvertisePeerUrls = []url.URL{*peer}
	cfg.InitialCluster = memberName + "=" + peerURL
	cfg.QuotaBackendBytes = c.QuotaBytes
	cfg.UnsafeNoFsync = c.UnsafeNoSync
	// There is nobody to lose an election to, and each start waits for one to
	// be called: a tenth of the default second.
	cfg.TickMs, cfg.ElectionMs = 20, 100
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger(c))
	return cfg, nil
}

func logger(c Config) *zap.Logger {
	level := zapcore.WarnLevel
	if c.Verbose {
		level = zapcore.InfoLevel
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	core := zapcore.NewCore(zapcore.NewConsoleEncoder(enc), zapcore.AddSync(c.Log), level)
	return zap.New(core, zap.WithFatalHook(lastWords{c.Terminal})).Named("etcd")
}

// lastWords ends the process as zap does on a fatal entry, and says why where a
// person sees it: etcd gives up this way when it can no longer write.
type lastWords struct{ terminal io.Writer }

func (w lastWords) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	said := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(said)
	}
	fmt.Fprintf(w.terminal, "controlplane: etcd: %s: %v\n", e.Message, said.Fields["error"])
	os.Exit(1)
}

// socketPath prefers the data folder and falls back to a private temporary one
// where the path would be too long for a socket.
func (s *Server) socketPath(dir string) (string, error) {
	if path := filepath.Join(dir, "client.sock"); len(path) <= maxSocketPath {
		return path, os.MkdirAll(dir, 0o700)
	}
	tmp, err := os.MkdirTemp("", "stargate-etcd-")
	if err != nil {
		return "", fmt.Errorf("making folder for etcd's socket: %w", err)
	}
	s.socketDir = tmp
	return filepath.Join(tmp, "client.sock"), nil
}

func (s *Server) removeSocketDir() {
	if s.socketDir != "" {
		os.RemoveAll(s.socketDir)
	}
}

// Endpoint is the address for clients: unix:///path.
func (s *Server) Endpoint() string { return s.endpoint }

// Failed yields when the member died by itself.
func (s *Server) Failed() <-chan error {
	failed := make(chan error, 1)
	go func() {
		select {
		case err := <-s.etcd.Err():
			failed <- fmt.Errorf("running etcd: %w", err)
		case <-s.etcd.Server.StopNotify():
			failed <- fmt.Errorf("running etcd: stopped by itself")
		}
	}()
	return failed
}

// Stop closes the data and returns when that is done.
func (s *Server) Stop() {
	s.etcd.Close()
	s.removeSocketDir()
}
