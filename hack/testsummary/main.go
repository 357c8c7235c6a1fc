// Command testsummary runs `go test` and tells what matters: failures whole, skips with their reasons, and one line
// at the end that says how many. See package report.
//
//	testsummary [-C DIR] -- GO-TEST-ARGUMENTS... [-- GO-TEST-ARGUMENTS...]
//
// After another -- are the arguments of a second run, which is told as one with the first.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"stargate.io/stargate/hack/testsummary/report"
)

func main() {
	ci, _ := strconv.ParseBool(os.Getenv("CI"))
	dir := flag.String("C", ".", "folder of the module to test")
	noSkips := flag.Bool("no-skips", ci, "a skipped test fails the run (default: true where CI=true)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := report.Run(ctx, os.Stdout, *dir, flag.Args(), *noSkips)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
	}
	if !ok || err != nil {
		os.Exit(1) //nolint:gocritic // the process ends, and with it what defer would release
	}
}
