# A real MySQL for the tests. Debian 12 has none, its unstable suite has: from there it comes as a tree of its own, whose
# programs run with the tree's own libraries (tests/databases/servers.py) and touch nothing of the machine.
# shellcheck shell=bash

MYSQL_TREE=$TOOLS/mysql
# While it is made, and trimmed after that.
MYSQL_DISK_MB_MIN=1500
MYSQL_FETCH_SECONDS_MAX=600

# ensure_mysql: fetches the tree unless it is there. Where that cannot be, `no_mysql` says why.
ensure_mysql() {
  local log
  no_mysql=
  if [[ -x $MYSQL_TREE/usr/sbin/mysqld ]]; then return; fi
  log=$(mktemp)
  if ! (fetch_mysql) 2>&1 | tee "$log"; then
    no_mysql=$(sed -n 's/^.*error:[^ ]* //p' "$log" | tail -n 1)
    no_mysql=${no_mysql:-$(tail -n 1 "$log")}
  fi
  rm -f "$log"
}

# A tree that is there is whole: it gets its name at the end. Every step says by itself whether it went well, since
# errexit is off in a condition.
fetch_mysql() {
  local archive missing partial=$MYSQL_TREE.partial
  exec 7>"$TOOLS/mysql.lock"
  flock 7
  if [[ -x $MYSQL_TREE/usr/sbin/mysqld ]]; then return; fi
  (($(df --output=avail -m "$TOOLS" | tail -n 1) >= MYSQL_DISK_MB_MIN)) ||
    die "less than $MYSQL_DISK_MB_MIN MB are free for it"
  ((EUID == 0)) || command -v sudo >/dev/null || die "debootstrap needs root, and there is no sudo"
  archive=$(debian_archive) || die "no apt source of $(debian_codename) says where Debian is"
  mapfile -t missing < <(missing_packages debootstrap)
  if ((${#missing[@]})); then apt_install "${missing[@]}" || die "apt cannot install ${missing[*]}"; fi
  say "debootstrap: fetching MySQL from Debian's unstable suite"
  remove_mysql_tree "$partial"
  if ! debootstrap_mysql "$partial" $archive; then
    remove_mysql_tree "$partial"
    die "debootstrap failed: ${debootstrap_error:-see above}"
  fi
  # What is not needed to run the server: nearly half of it.
  as_root rm -rf "$partial"/var/cache/apt "$partial"/var/lib/{apt,mysql} "$partial"/usr/share/{doc,locale,man} ||
    die "cannot trim $partial"
  as_root mv -T "$partial" "$MYSQL_TREE" || die "cannot make $MYSQL_TREE"
}

# debootstrap_mysql DIRECTORY URI [KEYRING]: fails, with what it said last in `debootstrap_error`.
debootstrap_mysql() {
  local log status
  log=$(mktemp)
  as_root timeout --foreground "$MYSQL_FETCH_SECONDS_MAX" \
    debootstrap --variant=minbase ${3:+"--keyring=$3"} --include=mysql-server sid "$1" "$2" >"$log" 2>&1
  status=$?
  debootstrap_error=$(grep -v '^I:' "$log" | tail -n 1)
  if ((status == 124)); then debootstrap_error="not done after $MYSQL_FETCH_SECONDS_MAX s"; fi
  rm -f "$log"
  return "$status"
}

# One that was left by a run that was killed may have /proc mounted.
remove_mysql_tree() {
  if [[ ! -e $1 ]]; then return; fi
  as_root umount "$1/proc" "$1/sys" 2>/dev/null
  as_root rm -rf --one-file-system "$1"
}
