# The private MariaDB of scripts/up --db=mysql: its files are under var/mysql, which only its owner may enter.
# shellcheck shell=bash

MARIADB_DIR=$VAR_DIR/mysql
MARIADB_PORT=3307
# Each has a database and a user of its name.
MARIADB_USERS=(customers orders coordinator)
# The server itself is not where an ordinary user's PATH leads.
MARIADB_PATH=$PATH:/usr/sbin

password_file_of() { printf '%s' "$MARIADB_DIR/$1.password"; } # USER

# program_of_mariadb: prints its path.
program_of_mariadb() { PATH=$MARIADB_PATH command -v mariadbd || die "no mariadbd: run scripts/install"; }

# mariadb_arguments: fills the array `arguments`. Paths are relative to the data: a socket's name has at most 107 bytes.
# All else is as the server is made, COMMITs durable.
mariadb_arguments() {
  arguments=(--no-defaults "--datadir=$MARIADB_DIR/data" "--port=$MARIADB_PORT" --bind-address=127.0.0.1
    --socket=../socket --pid-file=../mariadbd.pid "--init-file=$MARIADB_DIR/users.sql"
    --innodb-flush-log-at-trx-commit=1
    --tmpdir=.) # its own: a server that starts removes every temporary table that it finds there
  if ((EUID == 0)); then arguments+=(--user=root); fi
}

# prepare_mariadb: what must be there before it starts. May be cut short and run again.
prepare_mariadb() (
  umask 077
  mkdir -p "$MARIADB_DIR"
  for user in "${MARIADB_USERS[@]}"; do
    [[ -s $(password_file_of "$user") ]] || od -An -v -N24 -tx1 /dev/urandom | tr -d ' \n' >"$(password_file_of "$user")"
  done
  write_mariadb_users >"$MARIADB_DIR/users.sql"
  if [[ -d $MARIADB_DIR/data ]]; then return; fi
  say "mariadb: making the database in var/mysql"
  rm -rf "$MARIADB_DIR/data.new"
  # Its administrator is who runs this, and root: by way of the socket, without a password.
  PATH=$MARIADB_PATH mariadb-install-db --no-defaults "--datadir=$MARIADB_DIR/data.new" --skip-test-db --tmpdir=. \
    "--auth-root-socket-user=$(id -un)" "--user=$(id -un)" >"$LOG_DIR/mariadb-install.log" 2>&1 ||
    die "mariadb-install-db failed: var/log/mariadb-install.log"
  mv "$MARIADB_DIR/data.new" "$MARIADB_DIR/data"
)

# await_mariadb PID: until it listens, which is when it has recovered, or has ended.
await_mariadb() {
  local deadline=$((SECONDS + HEALTHY_SECONDS_MAX))
  while ! (exec 3<>"/dev/tcp/127.0.0.1/$MARIADB_PORT") 2>/dev/null; do
    kill -0 "$1" 2>/dev/null && ((SECONDS < deadline)) || return 0
    sleep 0.1
  done
}

# The server reads them at each start, a statement a line.
write_mariadb_users() {
  local user
  for user in "${MARIADB_USERS[@]}"; do
    cat <<SQL
CREATE DATABASE IF NOT EXISTS $user;
CREATE USER IF NOT EXISTS '$user'@'localhost';
ALTER USER '$user'@'localhost' IDENTIFIED BY '$(cat "$(password_file_of "$user")")';
GRANT ALL ON $user.* TO '$user'@'localhost';
SQL
  done
}
