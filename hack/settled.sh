#!/usr/bin/env bash
# Waits until the API server takes objects of Stargate's kinds and stamps them, which is a moment after it says that
# kinds and policies are there. One that knows no mutating policies stamps nothing, and is not waited for.
set -euo pipefail

probe='{"apiVersion":"stargate.io/v1alpha1","kind":"Server","metadata":{"name":"probe","namespace":"default"},"spec":{"mac":"02:00:00:00:00:01"}}'
wanted=$(kubectl get mutatingadmissionpolicies in-use.stargate.io -o name 2>/dev/null || true)

for ((try = 0; try < 60; try++)); do
	if said=$(kubectl create --dry-run=server -f - -o jsonpath='{.metadata.name} {.metadata.finalizers}' <<<"$probe" 2>&1) &&
		[[ -z $wanted || $said == *stargate.io/in-use* ]]; then
		exit 0
	fi
	sleep 0.2
done
echo "the API server does not take Stargate's kinds: $said" >&2
exit 1
