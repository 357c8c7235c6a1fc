#!/usr/bin/env bash
# Prints the kubeconfig that `make` works with: the one in $KUBECONFIG; else that of the control plane that
# `make cluster-up` started for this checkout; else the user's own. Says on stderr which cluster that is.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=${STARGATE_STATE:-$root/.stargate}

if [[ -n ${KUBECONFIG:-} ]]; then
	config=$KUBECONFIG why='KUBECONFIG'
elif "$root/hack/controlplane.sh" status >/dev/null 2>&1; then
	config=$state/kubeconfig why='make cluster-up'
elif [[ -e ${HOME:-}/.kube/config ]]; then
	config=$HOME/.kube/config why='yours'
else
	echo "there is no cluster: run 'make cluster-up', or set KUBECONFIG to one of yours" >&2
	exit 1
fi
context=$(KUBECONFIG=$config kubectl config current-context 2>/dev/null || echo 'no context')
echo "cluster: $context ($why: $config)" >&2
echo "$config"
