#!/usr/bin/env bash
# Builds what a node runs that Debian has not, or only too old: kubelet, kubeadm, containerd and its shim. They go into
# test images of the simulator.
#
#   hack/nodebinaries.sh path    print where they are, or will be: one file a line
#   hack/nodebinaries.sh build   build what is not cached, print the same
#
# Versions are pinned in test/node/*/go.mod. What is built is shared by all checkouts of a user:
#   ${STARGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stargate}/node-<module>-<key>/
# The first build takes minutes; it gives way to everything else, and JOBS=1 keeps it to one core.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${STARGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stargate}

# The build must not depend on what else the caller has set up for Go.
export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly

modules=(kubernetes containerd)

say() { echo "nodebinaries: $*" >&2; }
die() {
	say "$*"
	exit 1
}

# packages prints what a module's go.mod names as its tools.
packages() { sed -n '/^tool (/,/^)/{s/^\t//p}' "$root/test/node/$1/go.mod"; }

# folder is where a module's programs are, by all that they are made from.
folder() {
	local key
	key=$({
		go version
		go env GOOS GOARCH GOAMD64 GOARM64
		cat "$root/test/node/$1/go.mod" "$root/test/node/$1/go.sum" "$root/hack/nodebinaries.sh"
	} | sha256sum | cut -c1-20) || die "computing the cache key failed; is Go installed?"
	echo "$cache/node-$1-$key"
}

path() {
	local module dir package
	for module in "${modules[@]}"; do
		dir=$(folder "$module")
		while read -r package; do echo "$dir/${package##*/}"; done < <(packages "$module")
	done
}

build() {
	local module dir
	mkdir -p "$cache"
	exec 8>"$cache/node.lock"
	flock --nonblock 8 || {
		say "waiting for another build"
		flock 8
	}
	for module in "${modules[@]}"; do
		dir=$(folder "$module")
		[[ -d $dir ]] || compile "$module" "$dir"
		touch -c "$dir"
	done
	exec 8>&-
	path
}

# compile runs under the lock. The folder takes its name only when it is whole.
compile() {
	local module=$1 dir=$2 tmp package began=$SECONDS
	tmp=$(mktemp -d "$cache/.node-building-XXXXXX")
	# shellcheck disable=SC2064 # expanded now: tmp is gone when the trap runs
	trap "rm -rf '$tmp'" EXIT
	say "building $(packages "$module" | sed 's|.*/||' | paste -sd ' ') ($module); the first time takes minutes"
	while read -r package; do
		nice -n 15 go -C "$root/test/node/$module" build -p "${JOBS:-$(nproc)}" -trimpath -buildvcs=false -tags "$(tags "$module")" \
			-ldflags "-s -w $(version "$module")" -o "$tmp/${package##*/}" "$package" 8>&- >&2 || die "building $package failed (above)"
	done < <(packages "$module")
	chmod 0755 "$tmp"
	mv -T "$tmp" "$dir"
	trap - EXIT
	say "built $module in $((SECONDS - began)) s"
	# This one and one to go back to; and what a killed build left. Names are of our own making.
	# shellcheck disable=SC2012
	ls -1dt "$cache/node-$module"-*/ 2>/dev/null | tail -n +3 | xargs -r rm -rf
	rm -rf "$cache"/.node-building-*
}

# tags leave out snapshotters that need tools or kernels which test images have not.
tags() {
	[[ $1 != containerd ]] || echo no_btrfs,no_zfs,no_devmapper,no_aufs
}

# version has the programs say which they are: kubeadm refuses to join under a version that it does not know.
version() {
	local v pkg=k8s.io/component-base/version
	case $1 in
	kubernetes)
		v=$(go -C "$root/test/node/$1" list -m -f '{{.Version}}' k8s.io/kubernetes)
		local major minor
		IFS=. read -r major minor _ <<<"${v#v}"
		echo "-X $pkg.gitVersion=$v -X $pkg.gitMajor=$major -X $pkg.gitMinor=$minor"
		;;
	containerd)
		v=$(go -C "$root/test/node/$1" list -m -f '{{.Version}}' github.com/containerd/containerd/v2)
		echo "-X github.com/containerd/containerd/v2/version.Version=$v"
		;;
	esac
}

case ${1:-} in
path | build) [[ $# -eq 1 ]] || die "$1 takes no arguments" ;;
*)
	sed -n '5,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
	exit 64
	;;
esac
command -v flock >/dev/null || die "flock is needed (util-linux)"
"$1"
