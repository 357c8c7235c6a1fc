// Command controlplane is a Kubernetes control plane in one process: etcd,
// kube-apiserver and the few controllers that a management cluster needs, with
// all state in one folder.
//
// In: flags. Out: an API server on one address, an admin kubeconfig, and one
// line on stdout when it is ready. It must never listen beyond loopback unless
// told to, and never write outside the folder and the files it was given.
//
// It ends with 0 after SIGTERM or SIGINT, 1 when something failed (one line on
// stderr says what), 64 on wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"stargate.io/stargate/controlplane/internal/server"
)

const (
	exitFailed = 1
	exitUsage  = 64
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		// The first signal asks, the second insists: stop gives signals their default back.
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		context.AfterFunc(ctx, stop)
		err = server.Run(ctx, o)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, server.ErrUsage):
		fmt.Fprintf(os.Stderr, "controlplane: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(os.Stderr, "controlplane: %v\n", err)
		return exitFailed
	}
}

func parse(args []string) (server.Options, error) {
	o := server.Options{Stdout: os.Stdout}
	fs := flag.NewFlagSet("controlplane", flag.ContinueOnError)
	fs.StringVar(&o.Data, "data", "", "`folder` that keeps all state; made if absent (required)")
	fs.StringVar(&o.Kubeconfig, "kubeconfig", "", "`file` to write the admin kubeconfig to (default DATA/kubeconfig)")
	fs.StringVar(&o.Bind, "bind", "127.0.0.1", "`address` to listen on")
	fs.IntVar(&o.Port, "port", 0, "port to listen on; 0 takes the one of the last run, or a free one")
	fs.StringVar(&o.Advertise, "advertise", "", "`address` at which other machines reach this server (default: --bind)")
	fs.StringVar(&o.Join, "join-address", "", "`address` at which nodes join: listened on beside --bind, and advertised; the machine may get it later")
	fs.StringVar(&o.ServiceRange, "service-range", "10.96.0.0/16", "`CIDR` of Service addresses; fixed by the first start")
	fs.StringVar(&o.ReadyFile, "ready-file", "", "`file` that holds the URL for as long as the server is ready")
	fs.StringVar(&o.AuditLog, "audit-log", "", "`file` of audit events (who did what, no bodies); none if empty")
	fs.StringVar(&o.LogFile, "log-file", "", "`file` of logs, or - for stderr (default DATA/controlplane.log)")
	fs.IntVar(&o.Verbosity, "v", 0, "log verbosity, 0 to 10")
	fs.Int64Var(&o.EtcdQuotaBytes, "etcd-quota-bytes", 2<<30, "size of etcd's data above which writes are refused")
	fs.BoolVar(&o.UnsafeNoFsync, "unsafe-no-fsync", false, "for tests: do not wait for the disk; a power cut may lose everything")
	fs.IntVar(&o.MaxInFlight, "max-requests-inflight", 2000, "reading requests served at once")
	fs.IntVar(&o.MaxMutatingInFlight, "max-mutating-requests-inflight", 1000, "writing requests served at once")
	if err := fs.Parse(args); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			err = fmt.Errorf("%w: %w", server.ErrUsage, err)
		}
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("%w: unexpected argument %q", server.ErrUsage, fs.Arg(0))
	}
	return o, nil
}
