#!/usr/bin/env bash
# Checks deploy/: compose.yml and Dockerfile are read by Compose's and BuildKit's own parsers, then held against the tree.
# Needs go, no Docker. Arguments go to go test.
set -euo pipefail

export CGO_ENABLED=${CGO_ENABLED:-0}
cd "$(dirname "${BASH_SOURCE[0]}")"
go vet .
# -count=1: Go would not notice that a file outside the module has changed.
go test -count=1 "$@" .
