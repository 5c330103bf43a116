#!/usr/bin/env bash
# Builds the gateway: build.sh OUTPUT_BINARY. Incremental; needs go, protoc and the network for modules not yet fetched.
set -euo pipefail

if (($# != 1)); then
  echo "usage: $0 OUTPUT_BINARY" >&2
  exit 2
fi
output=$(realpath -m "$1")

export CGO_ENABLED=${CGO_ENABLED:-0}  # a static binary, and no C compiler needed
cd "$(dirname "${BASH_SOURCE[0]}")"
./generate.sh
mkdir -p "$(dirname "$output")"
go build -buildvcs=false -o "$output" .
