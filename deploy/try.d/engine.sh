# A Docker engine that touches nothing of the machine: it has a root file system, mounts, processes and a network of its
# own. The network reaches out by slirp4netns, as a rootless Docker's does: no rule of the machine's firewall changes.
# shellcheck shell=bash

COMPOSE_VERSION=v2.40.3
COMPOSE_PLUGIN=$TOOLS/bin/docker-compose
ENGINE_START_SECONDS_MAX=30
engine_pid='' slirp_pid=''

make_engine() {
  install_compose
  if [[ ! -f $ENGINE/made ]]; then
    make_tree "$ENGINE" docker.io,iptables,iproute2,ca-certificates,slirp4netns
    touch "$ENGINE/made"
  fi
  cp -L /etc/resolv.conf "$ENGINE/etc/resolv.conf"
  install -D "$COMPOSE_PLUGIN" "$ENGINE/usr/libexec/docker/cli-plugins/docker-compose"
}

# make_tree DIRECTORY PACKAGE,...: a Debian 12 of its own, from where this machine has its packages.
make_tree() {
  local archive missing
  archive=$(debian_archive) || die "no apt source of $(debian_codename) says where Debian is"
  mapfile -t missing < <(missing_packages debootstrap)
  if ((${#missing[@]})); then apt_install "${missing[@]}"; fi
  say "debootstrap: making $(basename "$1")"
  rm -rf --one-file-system "$1"
  # shellcheck disable=SC2086  # URI and keyring
  set -- "$1" "$2" $archive
  debootstrap --variant=minbase ${4:+"--keyring=$4"} ${2:+"--include=$2"} bookworm "$1" "$3" \
    >"$WORK/debootstrap.log" 2>&1 || { tail -n 5 "$WORK/debootstrap.log" >&2 && die "debootstrap failed"; }
  rm -f "$1"/var/cache/apt/archives/*.deb
}

# By its own go.mod, which `go install` refuses.
install_compose() {
  local source
  if [[ -x $COMPOSE_PLUGIN && $(cat "$COMPOSE_PLUGIN.version" 2>/dev/null) == "$COMPOSE_VERSION" ]]; then return; fi
  say "go: building docker compose $COMPOSE_VERSION"
  source=$(mktemp -d)
  cp -r "$(cd "$source" && go mod download -json "github.com/docker/compose/v2@$COMPOSE_VERSION" | jq -r .Dir)/." "$source"
  chmod -R u+w "$source"
  (cd "$source" && CGO_ENABLED=0 go build -o "$COMPOSE_PLUGIN" ./cmd)
  rm -rf "$source"
  echo "$COMPOSE_VERSION" >"$COMPOSE_PLUGIN.version"
}

# In namespaces of its own: makes the tree its root, not by chroot, since containers need a root that is a mount.
ENGINE_MAIN='
  set -e
  mount --make-rprivate /
  mount --bind "$0" "$0"
  cd "$0"
  mkdir -p old
  mount -t proc proc proc
  mount --rbind /sys sys
  mount --rbind /dev dev
  mount -t tmpfs tmpfs run
  pivot_root . old
  exec chroot . /bin/sh -c "umount -l /old && ip link set lo up && exec dockerd"
'

start_engine() {
  local deadline=$((SECONDS + ENGINE_START_SECONDS_MAX)) unshare_pid
  say "starting a Docker engine"
  unshare --mount --pid --net --fork --kill-child bash -c "$ENGINE_MAIN" "$ENGINE" >"$WORK/dockerd.log" 2>&1 9>&- &
  unshare_pid=$!
  until engine_pid=$(cat "/proc/$unshare_pid/task/$unshare_pid/children" 2>/dev/null) && engine_pid=${engine_pid%% *} &&
    [[ -n $engine_pid ]] && in_engine docker version >/dev/null 2>&1; do
    kill -0 "$unshare_pid" 2>/dev/null && ((SECONDS < deadline)) ||
      { tail -n 15 "$WORK/dockerd.log" >&2 && die "the engine does not start"; }
    sleep 0.2
  done
  unshare --mount bash -c 'mount --make-rprivate / && mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" &&
    exec chroot "$0" slirp4netns --configure --mtu=65520 --disable-host-loopback "$1" tap0' \
    "$ENGINE" "$engine_pid" >"$WORK/slirp.log" 2>&1 9>&- &
  slirp_pid=$!
}

# in_engine COMMAND...: one of the engine's own file system, with its processes and network.
in_engine() { nsenter --target "${engine_pid:?}" --mount --pid --net env -i HOME=/ PATH="$PATH" "$@"; }

# in_network COMMAND...: one of this machine, in the engine's network.
in_network() { nsenter --target "${engine_pid:?}" --net "$@"; }

stop_engine() {
  if [[ -n $slirp_pid ]]; then kill "$slirp_pid" 2>/dev/null || true; fi
  if [[ -n $engine_pid ]]; then
    kill "$engine_pid" 2>/dev/null || true
    wait
  fi
}
