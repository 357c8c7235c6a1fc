#!/usr/bin/env bash
# Builds the embedded control plane, once for each state of its sources, and
# runs one for this checkout.
#
#   hack/controlplane.sh path          print where the binary is, or will be
#   hack/controlplane.sh build         build it unless it is cached, link bin/controlplane, print its path
#   hack/controlplane.sh up [FLAG...]  start it in the background unless it runs; FLAGs go to the binary
#   hack/controlplane.sh status        say whether it runs; ends with 1 when not
#   hack/controlplane.sh down          stop it and wait; its data stays
#
# The binary is shared by all checkouts of a user:
#   ${STARGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stargate}/controlplane-<key>/controlplane
# State of the running one is kept in ${STARGATE_STATE:-.stargate} of this checkout.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
src=$root/controlplane
cache=${STARGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stargate}
state=${STARGATE_STATE:-$root/.stargate}
keep=3 # binaries kept in the cache: this one and two to go back to

# The build must not depend on what else the caller has set up for Go.
export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly

say() { echo "$*" >&2; }
die() {
	say "controlplane: $*"
	exit 1
}

# --- cache -------------------------------------------------------------------

# key covers all that the binary is made from: sources, modules, this script, toolchain, target.
key() {
	cd "$src"
	{
		go version
		go env GOOS GOARCH GOAMD64 GOARM64 GOEXPERIMENT
		find . -type f \( -name '*.go' ! -name '*_test.go' -o -name go.mod -o -name go.sum \) -print0 |
			LC_ALL=C sort -z | xargs -0 sha256sum
		sha256sum <"$root/hack/controlplane.sh"
	} | sha256sum | cut -c1-20
}

path() {
	local k
	k=$(key) || die "computing the cache key failed; is Go installed?"
	echo "$cache/controlplane-$k/controlplane"
}

build() {
	local bin
	bin=$(path)
	if [[ ! -x $bin ]]; then
		mkdir -p "$cache"
		exec 8>"$cache/controlplane.lock"
		if ! flock --nonblock 8; then
			say "controlplane: waiting for another build of it"
			flock 8
		fi
		[[ -x $bin ]] || compile "$bin"
		exec 8>&-
	fi
	touch -c "$(dirname "$bin")" # what is used is not pruned
	mkdir -p "$root/bin"
	ln -sfn "$bin" "$root/bin/.controlplane.$$"
	mv -fT "$root/bin/.controlplane.$$" "$root/bin/controlplane"
	echo "$bin"
}

# compile runs under the lock. The folder takes its name only when it is whole.
compile() {
	local bin=$1 tmp began=$SECONDS
	tmp=$(mktemp -d "$cache/.controlplane-building-XXXXXX")
	# shellcheck disable=SC2064 # expanded now: tmp is gone when the trap runs
	trap "rm -rf '$tmp'" EXIT
	say "controlplane: first time: compiles an API server, some minutes; later seconds"
	(cd "$src" && go build -trimpath -buildvcs=false -ldflags "-s -w $(versions)" -o "$tmp/controlplane" . 8>&-) >&2 ||
		die "building failed (above)"
	chmod 0755 "$tmp"
	rm -rf "$(dirname "$bin")"
	mv -T "$tmp" "$(dirname "$bin")"
	trap - EXIT
	say "controlplane: built in $((SECONDS - began)) s, $(($(stat -c %s "$bin") / 1000000)) MB"
	prune
}

# versions has the server say which Kubernetes it is: clients ask. It would say v0.0.0.
versions() {
	local v major minor pkg=k8s.io/component-base/version
	v=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
	IFS=. read -r major minor _ <<<"${v#v}"
	echo "-X $pkg.gitVersion=$v -X $pkg.gitMajor=$major -X $pkg.gitMinor=$minor -X k8s.io/client-go/pkg/version.gitVersion=$v"
}

prune() {
	# Names are of our own making: no blanks, no newlines.
	# shellcheck disable=SC2012
	ls -1dt "$cache"/controlplane-*/ 2>/dev/null | tail -n +$((keep + 1)) | xargs -r rm -rf
	# What a killed build left behind; we hold the lock, so nobody is at it.
	rm -rf "$cache"/.controlplane-building-*
}

# --- the running one ---------------------------------------------------------

pidfile=$state/controlplane.pid # "pid start-time": a number alone may be somebody else's by now
ready=$state/controlplane.ready
out=$state/controlplane.out
kubeconfig=$state/kubeconfig

# started prints when the process began, in clock ticks since boot; nothing when there is none.
started() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
	# The name in parentheses may hold blanks; what follows it may not. Zombies have ended.
	read -ra stat <<<"${stat##*) }"
	[[ ${stat[0]} == Z ]] || echo "${stat[19]}"
}

# running prints the pid when the recorded process is alive and is the one recorded.
running() {
	local pid began
	read -r pid began 2>/dev/null <"$pidfile" || return 1
	[[ -n ${began:-} && $(started "$pid") == "$began" ]] || return 1
	[[ $(readlink "/proc/$pid/exe") == */controlplane* ]] || return 1
	echo "$pid"
}

up() {
	local bin pid
	bin=$(build)
	mkdir -p "$state"
	exec 9>"$state/controlplane.lock"
	flock 9
	if pid=$(running); then
		say "controlplane: runs already: $(cat "$ready" 2>/dev/null || echo starting), pid $pid"
		echo "$kubeconfig"
		return
	fi
	rm -f "$ready"
	setsid "$bin" --data "$state/controlplane" --kubeconfig "$kubeconfig" --ready-file "$ready" "$@" \
		>"$out" 2>&1 </dev/null 8>&- 9>&- &
	pid=$!
	echo "$pid $(started "$pid")" >"$pidfile"
	await "$pid"
	say "controlplane: $(tail -n 1 "$out")"
	echo "$kubeconfig"
}

# await returns when the process is ready; a dead one's last words are the error.
await() {
	local i
	for ((i = 0; i < 1500; i++)); do
		[[ ! -e $ready ]] || return 0
		[[ -n $(started "$1") ]] ||
			die "$(tail -n 1 "$out" | sed 's/^controlplane: //'); see $out and $state/controlplane/controlplane.log"
		sleep 0.1
	done
	die "not ready after 150 s; see $out and $state/controlplane/controlplane.log"
}

down() {
	local pid i
	if ! pid=$(running); then
		say "controlplane: does not run"
		rm -f "$pidfile" "$ready"
		return
	fi
	kill -TERM "$pid"
	for ((i = 0; i < 900; i++)); do
		if ! running >/dev/null; then
			rm -f "$pidfile" "$ready"
			say "controlplane: stopped; data stays in $state/controlplane"
			return
		fi
		sleep 0.1
	done
	die "pid $pid has not stopped after 90 s; see $state/controlplane/controlplane.log"
}

status() {
	local pid
	pid=$(running) || {
		echo "controlplane: does not run"
		exit 1
	}
	echo "controlplane: $(cat "$ready" 2>/dev/null || echo starting), pid $pid, kubeconfig $kubeconfig"
}

case ${1:-} in
path | build | down | status) [[ $# -eq 1 ]] || die "$1 takes no arguments" ;;
up) ;;
*)
	sed -n '5,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
	exit 64
	;;
esac
command -v flock >/dev/null || die "flock is needed (util-linux)"
"$@"
