// Package cli_test runs the scripts in testdata, which are also the documentation of the command
// line: what is typed, and what comes of it, against a real API server. Where a controller would
// write, the scripts do (the command status).
package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/cmd/stargate/cli"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/test/cluster"
)

// names under which this very binary is the command line: what is tested is a process of its own,
// without a second build.
var names = []string{"stargate", "kubectl-stargate"}

func TestMain(m *testing.M) {
	for _, name := range names {
		if filepath.Base(os.Args[0]) == name {
			os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
		}
	}
	ctrl.SetLogger(logr.Discard())
	cluster.Main(m)
}

func TestScripts(t *testing.T) {
	run(t, cluster.Shared(t), "testdata/scripts")
}

// TestFleets runs the scripts that make Fleets, which are the whole cluster's: other scripts would see
// them.
func TestFleets(t *testing.T) {
	run(t, cluster.Start(t), "testdata/fleets")
}

// TestBare runs the scripts that change what all share: the installation itself.
func TestBare(t *testing.T) {
	run(t, cluster.Start(t, cluster.Bare()), "testdata/bare")
}

func run(t *testing.T, c *cluster.Cluster, dir string) {
	bin := binaries(t)
	k8s, err := client.New(c.Config, client.Options{Scheme: engine.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{cluster: c, client: k8s}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			namespace := c.Namespace(env.T().(testing.TB)) //nolint:forcetypeassert // testscript.Run gives the test
			kubeconfig := filepath.Join(env.WorkDir, ".kubeconfig")
			env.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("KUBECONFIG", kubeconfig)
			env.Setenv("NS", namespace)
			env.Setenv("TERM", "xterm")
			return writeKubeconfig(c.Kubeconfig, kubeconfig, namespace)
		},
		Cmds: s.commands(),
	})
}

// binaries makes a folder in which this test is found under the names of the command line.
func binaries(t *testing.T) string {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for _, name := range names {
		if err := os.Symlink(self, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

// writeKubeconfig copies a kubeconfig whose context is in the script's own namespace.
func writeKubeconfig(from, to, namespace string) error {
	config, err := clientcmd.LoadFromFile(from)
	if err != nil {
		return err
	}
	for _, context := range config.Contexts {
		context.Namespace = namespace
	}
	return clientcmd.WriteToFile(*config, to)
}

// scrubbed replaces what differs from run to run.
func scrubbed(text, namespace string) string {
	text = strings.ReplaceAll(text, namespace, "dc-west")
	for _, each := range scrubs {
		text = each.pattern.ReplaceAllString(text, each.with)
	}
	return text
}
