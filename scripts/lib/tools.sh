# Tools that Debian's own packages do not bring: Go, the Python environment, google's protos, grpcurl.
# shellcheck shell=bash

# Any Go from this version on fetches the toolchain that a go.mod names by itself.
GO_MINOR_MIN=21
GRPCURL_VERSION=v1.9.3

go_is_usable() {
  local version
  version=$("$1" env GOVERSION 2>/dev/null) || return 1
  [[ $version =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= GO_MINOR_MIN))
}

# use_go: puts a usable Go onto PATH; fails if there is none.
use_go() {
  local directory
  # The default, said aloud: distributions and images set "local", with which go.mod's toolchain is never fetched.
  export GOTOOLCHAIN=${GOTOOLCHAIN:-auto}
  # go-build needs both, and a bare chroot or service has neither.
  export HOME=${HOME:-$(getent passwd "$EUID" | cut -d: -f6)}
  for directory in "$(dirname "$(command -v go 2>/dev/null || echo /nowhere/go)")" /usr/local/go/bin /usr/lib/go/bin; do
    if [[ -x $directory/go ]] && go_is_usable "$directory/go"; then
      export PATH=$directory:$PATH
      return
    fi
  done
  return 1
}

# use_tools: puts everything that scripts/install installed onto PATH.
use_tools() {
  use_go || die "no Go: run scripts/install"
  export PATH=$TOOLS/bin:$PATH
}

# A python3 that can make environments; Debian's own before one that somebody put before it.
system_python() {
  local python
  for python in /usr/bin/python3 python3; do
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      printf '%s' "$python"
      return
    fi
  done
  die "no python3 with the venv module"
}

install_go() {
  if use_go; then return; fi
  add_backports
  say "apt: installing golang-go from $(debian_codename)-backports"
  apt_get install --no-install-recommends -t "$(debian_codename)-backports" golang-go
  use_go || die "the Go that apt installed is older than 1.$GO_MINOR_MIN"
}

# install_python_packages [NAME]: those of scripts/requirements.txt, or only this one, without what it depends on.
install_python_packages() {
  local requirements=$ROOT/scripts/requirements.txt installed=$TOOLS/venv/requirements.txt wanted
  wanted=$(grep "^${1:-.}" "$requirements")
  if [[ $wanted == "$(cat "$installed" 2>/dev/null)" ]] && "$VENV_PYTHON" -c 'import google.rpc' 2>/dev/null; then
    return
  fi
  say "python: installing ${1:-the packages} of scripts/requirements.txt"
  if ! "$VENV_PYTHON" -m pip --version >/dev/null 2>&1; then
    rm -rf "$TOOLS/venv"
    "$(system_python)" -m venv "$TOOLS/venv"
  fi
  "$VENV_PYTHON" -m pip install --quiet --disable-pip-version-check ${1:+--no-deps} -r /dev/stdin <<<"$wanted"
  printf '%s\n' "$wanted" >"$installed"
}

# The .proto files of google/rpc and google/api, from the wheel that holds them. A file that is the same keeps its time,
# so that nothing is built again.
install_googleapis() {
  local from directory file
  from=$("$VENV_PYTHON" -c 'import google.rpc, os; print(os.path.dirname(list(google.rpc.__path__)[0]))')
  for directory in rpc api; do
    mkdir -p "$TOOLS/googleapis/google/$directory"
    for file in "$from/$directory"/*.proto; do
      cmp -s "$file" "$TOOLS/googleapis/google/$directory/${file##*/}" ||
        cp "$file" "$TOOLS/googleapis/google/$directory/"
    done
  done
}

install_grpcurl() {
  if [[ -x $TOOLS/bin/grpcurl && $(cat "$TOOLS/bin/grpcurl.version" 2>/dev/null) == "$GRPCURL_VERSION" ]]; then
    return
  fi
  say "go: building grpcurl $GRPCURL_VERSION"
  mkdir -p "$TOOLS/bin"
  GOBIN=$TOOLS/bin CGO_ENABLED=0 go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$GRPCURL_VERSION"
  echo "$GRPCURL_VERSION" >"$TOOLS/bin/grpcurl.version"
}
