package cli

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/image"
)

func TestImageThatDoesNotFitIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "os.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", path, "3G").CombinedOutput(); err != nil {
		t.Skipf("qemu-img is missing, or fails: apt-get install qemu-utils (%v, %s)", err, out)
	}
	store, err := image.Open(image.Config{Dir: filepath.Join(t.TempDir(), "images"), Folders: []string{folder}})
	if err != nil {
		t.Fatal(err)
	}
	var said string
	get := func(gib int64) error {
		_, err := images{store}.Get(t.Context(), simulator.Image{URL: "file://" + path}, gib<<30, func(_ float64, what string) { said = what })
		return err
	}
	if err := get(2); err == nil || !strings.Contains(err.Error(), "the machine's is of 2048") {
		t.Errorf("3 GiB on a disk of 2: %v", err)
	}
	if err := get(3); err != nil || !strings.Contains(said, "not verified") {
		t.Errorf("3 GiB on a disk of 3: %v; it said %q last, and nothing was verified", err, said)
	}
}
