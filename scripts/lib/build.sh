# Building. Nothing here is built twice: ninja, go and the gateway's generator know what is new.
# shellcheck shell=bash

configure() {
  if [[ -f $BUILD_DIR/build.ninja ]]; then return; fi  # ninja configures again by itself
  mkdir -p "$ROOT/build"
  say "cmake: configuring the preset $SAGAMESH_PRESET"
  cmake -S "$ROOT" --preset "$SAGAMESH_PRESET" >"$ROOT/build/configure.log" 2>&1 || {
    cat "$ROOT/build/configure.log" >&2
    die "cmake failed"
  }
}

# build_cpp [TARGET...]: everything without a target.
build_cpp() {
  configure
  say "ninja: building ${*:-everything} ($SAGAMESH_PRESET, $(nproc) cores)"
  NINJA_STATUS='[%f/%t %es] ' ninja -C "$BUILD_DIR" "$@"
}

build_gateway() {
  say "go: building the gateway"
  "$ROOT/gateway/build.sh" "$BIN_DIR/gateway"
}

# The simulation has a build of its own, optimized as a whole, with the planted bugs in it, all off; the caller's
# BIN_DIR is that build's from now on.
build_simulation() {
  SAGAMESH_PRESET=simulation BUILD_DIR=$ROOT/build/simulation BIN_DIR=$ROOT/build/simulation/bin
  build_cpp simulate >&2
}

# build_dtm: a peer, for scripts/bench alone.
build_dtm() {
  say "go: building DTM"
  "$ROOT/bench/peers/dtm/build.sh" "$BUILD_DIR/peers/dtm"
}

# build_services: the four processes and nothing else.
build_services() {
  build_cpp bin/customers bin/orders bin/coordinator
  build_gateway
}
