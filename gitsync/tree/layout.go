package tree

import (
	"path"
	"slices"
	"strings"
)

// fleetFile holds what the whole tree shares. It is no API object.
const fleetFile = "fleet.yaml"

// scope is what a file's place in the tree says of the objects in it.
type scope struct {
	// datacenter whose folder the file is in: the namespace of its objects.
	datacenter string
	// profiles: the file is under profiles/, whose profiles without namespace are shared.
	profiles bool
}

func scopeOf(file string) scope {
	parts := strings.Split(file, "/")
	switch {
	case len(parts) > 2 && parts[0] == "datacenters":
		return scope{datacenter: parts[1]}
	case len(parts) > 1 && parts[0] == "profiles":
		return scope{profiles: true}
	}
	return scope{}
}

// isYAML tells whether the file is read for objects.
func isYAML(file string) bool {
	return strings.HasSuffix(file, ".yaml") || strings.HasSuffix(file, ".yml")
}

// skipped tells whether the file is nothing that is applied: tests (at the root, and beside policies and hooks), and
// what is hidden, such as a forge's own .github/workflows.
func skipped(file string) bool {
	parts := strings.Split(file, "/")
	folders := parts[:len(parts)-1]
	if slices.ContainsFunc(parts, func(part string) bool { return strings.HasPrefix(part, ".") }) {
		return true
	}
	if len(folders) == 0 {
		return false
	}
	if folders[0] == "policies" || folders[0] == "hooks" {
		return slices.Contains(folders, "tests")
	}
	return folders[0] == "tests"
}

// within gives the path that relative means in the file's own folder, and whether that is within the tree.
func within(file, relative string) (string, bool) {
	if relative == "" || path.IsAbs(relative) || strings.Contains(relative, "\\") {
		return "", false
	}
	joined := path.Join(path.Dir(file), relative)
	return joined, joined != ".." && !strings.HasPrefix(joined, "../") && joined != "."
}
