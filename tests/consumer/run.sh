#!/usr/bin/env bash
# Installs the package sagamesh_protos into an empty directory, builds project/ against it alone, and runs it.
#
# usage: run.sh CMAKE BUILD_DIR
set -euo pipefail
cmake=$1 build=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$cmake" --install "$build" --component protos --prefix "$directory/prefix" >"$directory/install.log"
# A copy, so that nothing beside it can be found by a relative path.
cp -r "$here/project" "$directory/project"
"$cmake" -S "$directory/project" -B "$directory/build" -G Ninja "-DCMAKE_PREFIX_PATH=$directory/prefix"
"$cmake" --build "$directory/build"
"$directory/build/consumer"

# The contracts themselves come along, for clients in other languages.
[[ -f $directory/prefix/share/sagamesh/proto/orders/v1/orders.proto ]]
