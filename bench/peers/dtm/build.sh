#!/usr/bin/env bash
# Builds DTM and what it is measured with into a directory: build.sh OUTPUT_DIRECTORY. There it leaves DTM's server
# (dtm), bench_dtm, and DTM's own schema (sqls). Needs go, protoc and the network for modules not yet fetched; exits 3
# if these cannot be had.
set -euo pipefail

if (($# != 1)); then
  echo "usage: $0 OUTPUT_DIRECTORY" >&2
  exit 2
fi
mkdir -p "$1"
output=$(realpath "$1")

export CGO_ENABLED=${CGO_ENABLED:-0}
cd "$(dirname "${BASH_SOURCE[0]}")"
dtm=github.com/dtm-labs/dtm
if ! go mod download "$dtm"; then
  echo "dtm: cannot download the Go module $dtm: there is nothing to compare with" >&2
  exit 3
fi
source=$(go list -m -f '{{.Dir}}' "$dtm")
go -C "$source" build -mod=readonly -o "$output/dtm" .  # by the versions of its own go.mod, not by those of ours
install -m 644 -Dt "$output/sqls" "$source"/sqls/*.mysql.sql

GOBIN=$output/plugins go install tool
mkdir -p gen
PATH=$output/plugins:$PATH protoc --go_out=gen --go_opt=paths=source_relative \
  --go-grpc_out=gen --go-grpc_opt=paths=source_relative purchase.proto
go build -buildvcs=false -o "$output/bench_dtm" .
