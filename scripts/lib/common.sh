# What every command shares. Source it first: it sets ROOT and SAGAMESH_PRESET, and the ways to talk to a person.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
TOOLS=$ROOT/.tools
VENV_PYTHON=$TOOLS/venv/bin/python
# The CMake preset that the commands build and run.
SAGAMESH_PRESET=${SAGAMESH_PRESET:-release}
BUILD_DIR=$ROOT/build/$SAGAMESH_PRESET
BIN_DIR=$BUILD_DIR/bin

if [[ -t 1 ]]; then
  BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' DIM=$'\e[2m' PLAIN=$'\e[0m'
else
  BOLD='' RED='' GREEN='' DIM='' PLAIN=''
fi

# say TEXT...: progress, with the seconds since the command began.
say() { printf '%s[%4ds]%s %s\n' "$DIM" "$SECONDS" "$PLAIN" "$*"; }
warn() { printf '%swarning:%s %s\n' "$BOLD" "$PLAIN" "$*" >&2; }
die() {
  printf '%serror:%s %s\n' "$RED" "$PLAIN" "$*" >&2
  exit 1
}

# usage_of FILE: prints the comment at the head of a command, which is its help.
usage_of() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$1"; }

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -E "$@"
  else
    die "not root, and there is no sudo: cannot run: $*"
  fi
}
