#!/usr/bin/env bash
# Checks that need no cluster: formatting, vet, scripts, modules that are tidy, generated files that are up to date.
# Runs them all and then says which failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

failed=()
check() { # NAME COMMAND...
	local name=$1 began=$SECONDS
	shift
	if "$@"; then
		echo "ok    $name ($((SECONDS - began)) s)"
	else
		echo "FAIL  $name"
		failed+=("$name")
	fi
}

formatted() {
	local files
	files=$(git ls-files -z -- '*.go' | xargs -0 gofmt -l)
	[[ -z $files ]] || {
		printf 'not formatted, run gofmt -w:\n%s\n' "$files"
		return 1
	}
}

scripts() {
	local file bad=0
	while read -r file; do
		bash -n "$file" || bad=1
	done < <(git ls-files -- 'hack/*.sh' 'simulator/*.sh' 'scripts/*.sh' .ci/run)
	if command -v shellcheck >/dev/null; then
		git ls-files -z -- 'hack/*.sh' 'simulator/*.sh' 'scripts/*.sh' .ci/run | xargs -0 shellcheck --severity=warning || bad=1
	fi
	return $bad
}

tidy() {
	local diff
	diff=$(go -C "$1" mod tidy -diff) && return
	head -n 40 <<<"$diff"
	echo "go.mod or go.sum of $1 is not tidy: run go -C $1 mod tidy"
	return 1
}

check 'gofmt' formatted
check 'go vet' go vet ./...
check 'go vet: bench' go vet -tags bench ./test/bench
check 'go vet: test/bench/flux' go -C test/bench/flux vet ./...
check 'go vet: test/redfish' go -C test/redfish vet ./...
check 'scripts' scripts
for module in . controlplane tools test/redfish; do
	check "go mod tidy: $module" tidy "$module"
done
check 'generated files' hack/verify-generated.sh

[[ ${#failed[@]} -eq 0 ]] || {
	printf 'verify: failed: %s\n' "${failed[@]}" >&2
	exit 1
}
