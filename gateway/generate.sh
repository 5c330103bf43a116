#!/usr/bin/env bash
# Generates gen/: the Go stubs, the gateway's stubs and the OpenAPI document, from ../proto, http.yaml and openapi.yaml.
# Does nothing while its inputs are unchanged. The plugins' versions are those of go.mod.
set -euo pipefail

export CGO_ENABLED=${CGO_ENABLED:-0}  # a static binary, and no C compiler needed
cd "$(dirname "${BASH_SOURCE[0]}")"
proto_dir=../proto
tools_dir=../.tools
googleapis_dir=${SAGAMESH_GOOGLEAPIS_DIR:-$tools_dir/googleapis}

if [[ ! -f $googleapis_dir/google/rpc/status.proto ]]; then
  echo "gateway: no google/rpc/status.proto under $googleapis_dir; set SAGAMESH_GOOGLEAPIS_DIR" >&2
  exit 1
fi
mkdir -p "$tools_dir/bin"

# One generation at a time: a build and a test may start together.
exec 9>"$tools_dir/gateway-generate.lock"
flock 9

mapfile -t protos < <(cd "$proto_dir" && find . -name '*.proto' -printf '%P\n' | LC_ALL=C sort)
inputs=$(
  {
    sha256sum generate.sh http.yaml openapi.yaml go.mod go.sum
    (cd "$proto_dir" && sha256sum "${protos[@]}")
  } | sha256sum | cut -d' ' -f1
)
if [[ -f gen/.inputs && $(<gen/.inputs) == "$inputs" ]]; then
  exit 0
fi

echo "gateway: building the protoc plugins" >&2
go build -buildvcs=false -o "$tools_dir/bin/" \
  google.golang.org/protobuf/cmd/protoc-gen-go \
  google.golang.org/grpc/cmd/protoc-gen-go-grpc \
  github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway \
  github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2

echo "gateway: generating stubs" >&2
rm -rf gen.new
mkdir -p gen.new/openapi
module=sagamesh/gateway/gen
PATH=$(cd "$tools_dir/bin" && pwd):$PATH protoc -I "$proto_dir" -I "$googleapis_dir" \
  --go_out=gen.new --go_opt=module=$module \
  --go-grpc_out=gen.new --go-grpc_opt=module=$module \
  --grpc-gateway_out=gen.new --grpc-gateway_opt=module=$module,grpc_api_configuration=http.yaml \
  --openapiv2_out=gen.new/openapi \
  --openapiv2_opt=allow_merge=true,merge_file_name=sagamesh,json_names_for_fields=false \
  --openapiv2_opt=grpc_api_configuration=http.yaml,openapi_configuration=openapi.yaml \
  "${protos[@]}"
echo "$inputs" >gen.new/.inputs
rm -rf gen
mv gen.new gen
