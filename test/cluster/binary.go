package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// binary returns the path of the control plane's binary, from the cache or
// built now. STARGATE_CONTROLPLANE names one to use instead.
func binary(root string) (string, error) {
	if path := os.Getenv("STARGATE_CONTROLPLANE"); path != "" {
		return path, nil
	}
	cmd := exec.Command(filepath.Join(root, "hack", "controlplane.sh"), "build")
	cmd.Stderr = os.Stderr // "first time: … some minutes"
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("building the control plane: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
