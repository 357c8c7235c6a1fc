// Command mockdc is a datacenter that only pretends: the DC API with jobs that run by the clock, a record of all that
// was done, and faults on demand. See package site.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"stargate.io/stargate/cmd/mockdc/site"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := site.Serve(ctx, parse()); err != nil {
		fmt.Fprintln(os.Stderr, "mockdc:", err)
		os.Exit(1) // what defer would release ends with the process
	}
}

func parse() site.ServeConfig {
	config := site.ServeConfig{Log: os.Stderr}
	flag.StringVar(&config.Site.API, "api", site.V2, "version of the DC API: v1 or v2")
	flag.StringVar(&config.Site.Name, "name", cmp.Or(os.Getenv("DC_NAME"), "mock"), "name of the datacenter (environment: DC_NAME)")
	flag.StringVar(&config.Listen, "listen", ":"+cmp.Or(os.Getenv("PORT"), "8080"), "address to listen on (environment: PORT)")
	flag.DurationVar(&config.Site.Duration, "duration", 30*time.Second, "how long a repave takes")
	flag.StringVar(&config.Dir, "data", "", "folder that keeps the record; without it, it is kept in memory")
	flag.BoolVar(&config.Site.Fsync, "fsync", false, "make each event outlive a power cut, not only the process")
	flag.StringVar(&config.TokenFile, "token-file", "", "file with the bearer token to ask for")
	flag.StringVar(&config.TLSCert, "tls-cert", "", "file with the site's certificate, PEM")
	flag.StringVar(&config.TLSKey, "tls-key", "", "file with the site's key, PEM")
	flag.StringVar(&config.ClientCA, "client-ca", "", "file with the authority that clients' certificates must come from, PEM")
	flag.BoolVar(&config.Site.LooseUID, "loose-uid", false, "take a machine under another Server UID, if MAC and BMC are its own")
	flag.Func("fault", "what to do wrong, for example kind=lose-reply,path=/operations,count=1; may be repeated", func(text string) error {
		config.Faults = append(config.Faults, text)
		return nil
	})
	flag.Parse()
	return config
}
