#!/usr/bin/env bash
# Checks the gateway: gofmt, go vet, go test. Arguments go to go test, for example -run NAME (-race needs CGO_ENABLED=1).
set -euo pipefail

export CGO_ENABLED=${CGO_ENABLED:-0}  # a static binary, and no C compiler needed
cd "$(dirname "${BASH_SOURCE[0]}")"
./generate.sh
unformatted=$(gofmt -l ./*.go)
if [[ -n $unformatted ]]; then
  printf 'gateway: not gofmt-formatted:\n%s\n' "$unformatted" >&2
  exit 1
fi
go vet .
go test "$@" ./...
