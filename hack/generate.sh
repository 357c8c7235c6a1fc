#!/usr/bin/env bash
# Regenerates what is made from other files: deep copies and CRDs (from api/), the wire types of the
# DC API (from drivers/dcapi/openapi.yaml), and the reference of policies (from policies/rules).
#
#   hack/generate.sh [FOLDER]    of this checkout, or of the copy of it in FOLDER
set -euo pipefail

hack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${1:-$hack/..}"

controller_gen=$("$hack/tool.sh" controller-gen)
"$controller_gen" object paths=./api/...
"$controller_gen" crd paths=./api/... output:crd:dir=config/crd/bases

# One object that does not decode would keep every typed informer of its kind from starting, and for a
# time the API server takes more than Go's decoder does: a lower-case "t", a zone of +99:99, even a list.
# So each gets the pattern of what Go parses, unless it has a narrower one, and a rule of its own, which
# is not asked but for values that are times.
stricter_times='
/^ *format: date-time$/ { match($0, /^ */); indent = substr($0, 1, RLENGTH); time = 1; narrowed = 0 }
time && /^ *pattern: /  { narrowed = 1 }
time && /^ *type: string$/ {
	if (!narrowed)
		print indent "pattern: ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
	print
	print indent "x-kubernetes-validations:"
	print indent "- message: must be a time such as \"2026-01-02T15:04:05Z\""
	print indent "  rule: self >= timestamp('\''0001-01-01T00:00:00Z'\'')"
	time = 0
	next
}
{ print }'
for crd in config/crd/bases/*.yaml; do
	awk "$stricter_times" "$crd" >"$crd.new"
	mv "$crd.new" "$crd"
done

oapi_codegen=$("$hack/tool.sh" oapi-codegen)
(cd drivers/dcapi/wire && "$oapi_codegen" -config config.yaml ../openapi.yaml)

# In a copy of some folders there is no code to ask; its tests see that this is up to date.
[[ -n ${1:-} ]] || go test ./policies/hooks/worker -run '^TestReferenceIsUpToDate$' -count=1 -update

mkdir -p docs/reference
go -C "$hack/.." run ./hack/rulesdoc policies/rules/facts.go "$PWD/docs/reference/policies.md"
