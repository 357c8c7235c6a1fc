#!/usr/bin/env bash
# Applies or deletes the samples in config/samples. Operations, ServerGroups and Fleets are left out: they do something,
# so they are applied by hand, one at a time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../config/samples"

# all prints the samples, with the ports that the mock datacenters listen on (PORT_WEST, PORT_EAST).
all() {
	local file
	for file in *.yaml; do
		[[ $file != operation-* && $file != servergroup* && $file != fleet* ]] || continue
		echo ---
		sed "s|127.0.0.1:8080|127.0.0.1:${PORT_WEST:-8080}|; s|127.0.0.1:8081|127.0.0.1:${PORT_EAST:-8081}|" "$file"
	done
}

case ${1:-} in
apply) all | kubectl apply -f - ;;
delete)
	# What does something goes first: an Operation's end needs the controller, and a Server in use waits for it.
	for file in fleet*.yaml servergroup*.yaml operation-*.yaml; do kubectl delete --ignore-not-found -f "$file"; done
	all | kubectl delete --ignore-not-found -f -
	;;
*)
	echo "usage: hack/samples.sh apply|delete" >&2
	exit 64
	;;
esac
