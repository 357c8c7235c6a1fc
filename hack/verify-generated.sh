#!/usr/bin/env bash
# Fails where a generated file is not what hack/generate.sh makes, and says which. Changes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/config" "$copy/drivers"
cp -r go.mod go.sum api "$copy/"
cp -r config/crd "$copy/config/"
cp -r drivers/dcapi "$copy/drivers/"
# What is no longer made must go, too.
rm -f "$copy"/config/crd/bases/*.yaml "$copy"/api/*/zz_generated.*.go

hack/generate.sh "$copy"
for folder in api config/crd drivers/dcapi/wire docs/reference/policies.md; do
	diff -ru "$folder" "$copy/$folder" || stale=1
done
[[ -z ${stale:-} ]] || {
	echo 'generated files are not up to date: run hack/generate.sh' >&2
	exit 1
}
