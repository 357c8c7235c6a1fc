#!/usr/bin/env bash
# Regenerates what is made from other files: deep copies and CRDs (from api/), and the wire types of
# the DC API (from drivers/dcapi/openapi.yaml).
#
#   hack/generate.sh [FOLDER]    of this checkout, or of the copy of it in FOLDER
set -euo pipefail

hack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${1:-$hack/..}"

controller_gen=$("$hack/tool.sh" controller-gen)
"$controller_gen" object paths=./api/...
"$controller_gen" crd paths=./api/... output:crd:dir=config/crd/bases

# The API server takes a few forms of time that RFC 3339 allows and Go's parser does not, such as a
# lower-case "t". One such object would keep every typed informer of its kind from starting, so the
# pattern of what Go parses goes beside the format wherever a field has no narrower one.
time='^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$'
sed -i -E '/^ *format: date-time$/ { n; /^ *pattern:/ b; s/^( *)type: string$/\1pattern: '"$(sed 's/[\\&/]/\\&/g' <<<"$time")"'\n&/ }' \
	config/crd/bases/*.yaml

oapi_codegen=$("$hack/tool.sh" oapi-codegen)
(cd drivers/dcapi/wire && "$oapi_codegen" -config config.yaml ../openapi.yaml)
