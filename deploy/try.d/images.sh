# The images that come from a registry elsewhere.
# shellcheck shell=bash

make_images() {
  if in_engine docker image inspect mysql:8.4 >/dev/null 2>&1; then return; fi
  make_base_images
  make_mysql_image
}

make_base_images() {
  local base=$WORK/base
  make_tree "$base" ''
  # What this machine trusts, a build on it must trust too, or it cannot fetch anything where TLS is looked into.
  mkdir -p "$base/usr/local/share/ca-certificates"
  cp -r /usr/local/share/ca-certificates/. "$base/usr/local/share/ca-certificates/"
  if [[ -f /etc/pip.conf ]]; then cp /etc/pip.conf "$base/etc/"; fi
  say "importing debian:bookworm and debian:bookworm-slim"
  tar -C "$base" --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' -c . |
    in_engine docker import - debian:bookworm >/dev/null
  in_engine docker tag debian:bookworm debian:bookworm-slim
  rm -rf "$base"
}

make_mysql_image() {
  ensure_mysql
  if [[ -n $no_mysql ]]; then die "no MySQL: $no_mysql"; fi
  say "importing MySQL as mysql:8.4"
  tar -C "$MYSQL_TREE" --exclude='./var/cache/*' --exclude='./var/lib/mysql' --exclude='./tmp/*' --exclude='./run/*' \
    --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' -c . |
    in_engine docker import - sagamesh-try/mysql-tree >/dev/null
  tar -C "$ROOT/deploy/try.d/mysql" -c . |
    in_engine DOCKER_BUILDKIT=1 docker build --quiet --tag mysql:8.4 - >/dev/null
}
