#!/usr/bin/env bash
# Applies or deletes the samples in config/samples. Operations are left out when applying: they do something, so
# they are applied by hand, one at a time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../config/samples"

verb=${1:-}
args=()
for file in *.yaml; do
	[[ $file == operation-* ]] || args+=(-f "$file")
done
case $verb in
apply) kubectl apply "${args[@]}" ;;
delete)
	# Operations first: their end needs the controller, and a Server in use waits for it.
	for file in operation-*.yaml; do kubectl delete --ignore-not-found -f "$file"; done
	kubectl delete --ignore-not-found "${args[@]}"
	;;
*)
	echo "usage: hack/samples.sh apply|delete" >&2
	exit 64
	;;
esac
