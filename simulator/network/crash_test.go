package network

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// errCrash is a crash: the steps before it are done, those after it never are.
var errCrash = errors.New("crashed here")

// crashAfter lets a number of steps happen.
func crashAfter(steps int) func(Step) error {
	return func(Step) error {
		if steps--; steps < 0 {
			return errCrash
		}
		return nil
	}
}

// life is all that is done with a network, up to a crash.
func life(file string, before func(Step) error) error {
	n, err := Open(file, Config{})
	if err != nil {
		return err
	}
	n.before = before
	ctx := context.Background() // a killed child has no test's
	for _, do := range []func() error{
		n.Ensure,
		func() error { _, err := n.Tap(ctx, ann); return err },
		func() error { _, err := n.Tap(ctx, bob); return err },
		func() error { return n.Cut(ctx, ann.Name) },
		func() error { return n.Keep(ctx, []string{ann.Name}) },
		func() error { return n.Mend(ctx, ann.Name) },
		n.Ensure,
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// lifetime counts the steps of a life, and undoes it.
func lifetime(t *testing.T, file string) int {
	t.Helper()
	count := 0
	must(t, life(file, func(Step) error { count++; return nil }), Down(file, nil))
	if count < 20 {
		t.Fatalf("a life of %d steps", count)
	}
	return count
}

func TestDownAfterACrashAtEachStep(t *testing.T) {
	enter(t)
	foreign(t)
	must(t, writeSetting(forwardingOf("eth7"), "1"))
	before := picture(t)
	file := filepath.Join(t.TempDir(), "network.json")
	for at := range lifetime(t, file) {
		if err := life(file, crashAfter(at)); !errors.Is(err, errCrash) {
			t.Fatalf("step %d: %v", at, err)
		}
		// down crashes too, after each of its steps, and is called again.
		for within := 0; ; within++ {
			r, err := load(file)
			must(t, err)
			if r == nil {
				break
			}
			n := &Network{file: file, record: r, before: crashAfter(1)}
			if err := n.down(nil); err != nil && !errors.Is(err, errCrash) {
				t.Fatalf("step %d, down %d: %v", at, within, err)
			}
			if within > 20 {
				t.Fatalf("step %d: down does not end", at)
			}
		}
		if d := differ(before, picture(t)); d != "" {
			t.Fatalf("after a crash at step %d down leaves:\n%s", at, d)
		}
	}
}

func TestStartAfterACrashAtEachStep(t *testing.T) {
	enter(t)
	file := filepath.Join(t.TempDir(), "network.json")
	must(t, life(file, nil))
	whole := withoutTapMACs(picture(t))
	mac := func() string { r, err := load(file); must(t, err); return r.MAC }
	first := mac()
	must(t, Down(file, nil))
	for at := range lifetime(t, file) {
		if err := life(file, crashAfter(at)); !errors.Is(err, errCrash) {
			t.Fatalf("step %d: %v", at, err)
		}
		must(t, life(file, nil))
		again := strings.ReplaceAll(withoutTapMACs(picture(t)), mac(), first)
		if d := differ(whole, again); d != "" {
			t.Fatalf("after a crash at step %d the next start leaves:\n%s", at, d)
		}
		must(t, Down(file, nil))
	}
}

// churnForEver lives again and again, until it is killed.
func churnForEver(file string) {
	for {
		if err := life(file, nil); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if err := Down(file, nil); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("lived")
	}
}

func TestDownAfterKills(t *testing.T) {
	enter(t)
	foreign(t)
	before := picture(t)
	file := filepath.Join(t.TempDir(), "network.json")
	for round := range 15 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), churnEnv+"="+file)
		out, err := child.StdoutPipe()
		must(t, err, child.Start()) // in this thread's namespace
		line := make([]byte, 64)
		n, err := out.Read(line)
		if err != nil || string(line[:min(n, 5)]) != "lived" {
			t.Fatalf("the child says %q, %v", line[:n], err)
		}
		// Anywhere within the next life: one takes some tens of milliseconds.
		time.Sleep(time.Duration(rand.IntN(60_000)) * time.Microsecond)
		must(t, child.Process.Kill())
		_ = child.Wait()
		must(t, Down(file, nil))
		if d := differ(before, picture(t)); d != "" {
			t.Fatalf("after kill %d down leaves:\n%s", round, d)
		}
	}
}
