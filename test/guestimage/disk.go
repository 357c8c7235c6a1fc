// Package guestimage gives tests the disk that machines boot in them: Debian with cloud-init, made by
// hack/testimage.sh and kept between runs. Making it takes a minute, root and packages, so a test does not: it skips
// where there is none yet, and says how to come by it.
package guestimage

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stargate.io/stargate/test/checkout"
)

// Disk gives the path of the disk whose system says that it is of that version. It is to be read only.
func Disk(t testing.TB, version string) string {
	t.Helper()
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	var complaint bytes.Buffer
	cmd := exec.Command(filepath.Join(root, "hack/testimage.sh"), "-", "--if-cached", "--version", version)
	cmd.Stderr = &complaint
	path, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 3 {
		t.Skipf("there is no test image: sudo hack/testimage.sh - --version %s", version)
	}
	if err != nil {
		t.Fatalf("looking for the test image: %v: %s", err, &complaint)
	}
	return strings.TrimSpace(string(path))
}
