// Command demo shows Stargate at work in a minute, on a machine with no cluster, and cleans up. See package stage.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"stargate.io/stargate/hack/demo/stage"
)

// The children end with the thread that started them; that must be one that lives as long as the demo.
func init() { runtime.LockOSThread() }

func main() {
	options := stage.Options{Out: os.Stdout, State: os.Getenv("STARGATE_STATE")}
	flag.BoolVar(&options.Keep, "keep", os.Getenv("KEEP") != "", "leave everything running (environment: KEEP)")
	flag.StringVar(&options.Context, "cluster", os.Getenv("CLUSTER"), "use the cluster of this context of your kubeconfig (environment: CLUSTER)")
	flag.BoolVar(&options.Down, "down", false, "end what an earlier demo left running, and do nothing else")
	git := flag.String("serve-git", "", "serve the git repositories below this folder, and do nothing else")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *git != "" {
		os.Exit(stage.ServeGit(ctx, *git)) //nolint:gocritic // the process ends, and with it what defer would release
	}
	os.Exit(stage.Main(ctx, options)) //nolint:gocritic // the process ends, and with it what defer would release
}
