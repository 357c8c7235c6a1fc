#!/usr/bin/env bash
# Builds a tool that tools/go.mod pins, once for each state of that file, and prints where it is.
#
#   hack/tool.sh golangci-lint
#
# The tool's own module keeps what it needs out of the product's. Built tools are shared by all
# checkouts of a user: ${STARGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stargate}/tools-<key>/.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${STARGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stargate}
export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly

die() {
	echo "tool: $*" >&2
	exit 1
}

name=${1:?"name one of the tools in tools/go.mod"}
cd "$root/tools"
package=$(sed -n "s|^\t\([^ ]*/$name\)\$|\1|p" go.mod)
[[ -n $package ]] || die "tools/go.mod pins no $name"

key=$({
	go version
	go env GOOS GOARCH
	cat go.mod go.sum
} | sha256sum | cut -c1-20) || die "computing the cache key failed; is Go installed?"
bin=$cache/tools-$key/$name

if [[ ! -x $bin ]]; then
	mkdir -p "$(dirname "$bin")"
	exec 8>"$cache/tools.lock"
	flock 8
	if [[ ! -x $bin ]]; then # nobody built it while we waited
		echo "tool: first time: building $name, some minutes" >&2
		go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$bin.$$" "$package" 8>&- >&2
		mv -f "$bin.$$" "$bin"
		echo "tool: built $name in $SECONDS s" >&2
	fi
	exec 8>&-
fi
echo "$bin"
