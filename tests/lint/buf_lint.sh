#!/usr/bin/env bash
# Lints the contracts by the rules of proto/buf.yaml. They import google/rpc, which is no part of them: a workspace of
# copies joins the two, so that only ours is linted.
#
# usage: buf_lint.sh BUF PROTO_DIR GOOGLEAPIS_DIR
set -euo pipefail
buf=$(realpath "$1") proto=$2 googleapis=$3

workspace=$(mktemp -d)
trap 'rm -rf "$workspace"' EXIT
cp -r "$proto" "$workspace/proto"
cp -r "$googleapis" "$workspace/googleapis"
rm "$workspace/proto/buf.yaml"
# The same rules for two modules instead of one.
sed 's|^  - path: \.$|  - path: proto\n  - path: googleapis|' "$proto/buf.yaml" >"$workspace/buf.yaml"
grep -q 'path: googleapis' "$workspace/buf.yaml" || { echo "buf.yaml has no '- path: .'" >&2; exit 1; }

cd "$workspace"
"$buf" lint proto
